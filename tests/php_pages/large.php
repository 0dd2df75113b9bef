<?php
header('Content-Type: application/octet-stream');
for ($i = 0; $i < 320; $i++) {
    echo str_repeat(chr(65 + $i % 26), 65536);
}
