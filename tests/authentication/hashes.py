"""One password as the programs that people have hash it."""

from __future__ import annotations

from typing import Final

PASSWORD: Final = "schön 42"
HASHES: Final = {
    "htpasswd -m": "$apr1$Z6FhPnUV$z5hv3WDZbmSOF54cCPvXt0",
    "htpasswd -B": "$2y$05$Vw8FwQJ6HJ0in7S0jfzrOOEL3RN.PiISkQENa3hnokwIL/R315w4m",
    "htpasswd -s": "{SHA}4AW3EugfozvQWcLiGgkm8Ug0Rzg=",
    "htpasswd -2": "$5$BjqVcjRnBsucd33D$m/zqpTFTEvDwQW8kFd0WSkLjvnYxiFlfK9r55hzku0C",
    "htpasswd -5": "$6$DwBf7LjC9f4vLw0l$ZFeMr/rZOsa7JQQXEi3Ih4HTygWo23p3nYks8Yjkhly"
    "KK8xUzw/e/qdmQ9RSKynKRWi13bU8xonx8dK9Ue6F91",
    "openssl passwd -1": "$1$abcdefgh$j6cqEtGnKkoxiyMhHpvEm/",
    "openssl passwd -6": "$6$abcdefgh$iFbnK234BOGNPJhZ7a4ThCMyFwxentM34b2Muyoj.ShuEoXjDT.VmdEKo0a."
    "Lw438TVMMn74UpUrR3Plnynu8/",
    "openssl passwd -apr1": "$apr1$abcdefgh$GYJUifQJ6DSdnch2iN4Jd0",
    "mkpasswd -m yescrypt": "$y$j9T$abcdefgh$6gLroaBFXTiuplG3RGtjqhfjKKgQKrZCQO/UqJQiBI0",
    "mkpasswd -m scrypt": "$7$CU..../....abcdefgh$1pTtMx5p5Vw9uTQSX6BmPnWD2Pl5ixMWit/JGiti8T2",
    "nginx {SSHA}": "{SSHA}K1sod85UM0Xzs0483jr7L6xzvM1zYWx0",
}
"""Hashes of PASSWORD, by what made them."""
