<?php
// What an ordinary page does: some hundred values are sorted and filtered, two hundred of them escaped into a table.
$rows = [];
for ($i = 0; $i < 600; $i++) {
    $rows[] = ['id' => $i, 'name' => 'item <' . md5((string)$i) . '>', 'price' => ($i * 7919) % 1000 / 10];
}
usort($rows, fn($a, $b) => [$a['price'], $a['id']] <=> [$b['price'], $b['id']]);
$rows = array_filter($rows, fn($row) => $row['price'] > 20);
echo "<!doctype html><title>Page from PHP</title><table>\n";
foreach (array_slice($rows, 0, 200) as $row) {
    echo '<tr><td>', htmlspecialchars((string)$row['id']), '<td>', htmlspecialchars($row['name']), '<td>',
        number_format($row['price'], 2), "\n";
}
echo "</table>\n";
