"""Questions to a child: answers by number, in any order, and the silence of a child that is gone."""

from __future__ import annotations

import asyncio

import pytest

from host.activation.questions import Questions


def test_answers_find_their_question_and_silence_ends() -> None:
    """The other order, an answer that nobody asked for, a time limit, and one answer for all who still wait."""

    async def scenario() -> None:
        questions: Questions[str] = Questions()
        asked: list[int] = []
        waiting = [asyncio.ensure_future(questions.ask(asked.append, 30.0)) for _ in range(3)]
        await asyncio.sleep(0)  # they begin
        assert len(questions) == 3
        questions.answer(asked[1], "second")
        questions.answer(asked[0], "first")
        questions.answer(asked[0], "again")
        questions.answer(99, "nobody's")
        assert [await waiting[0], await waiting[1]] == ["first", "second"]
        questions.answer_all("it is gone")
        assert await waiting[2] == "it is gone"
        with pytest.raises(TimeoutError):
            await questions.ask(asked.append, 0.01)
        assert len(questions) == 0
        assert len(set(asked)) == 4

    asyncio.run(scenario())
