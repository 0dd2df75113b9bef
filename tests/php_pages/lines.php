<?php
header('Content-Type: text/plain');
echo "one\n";
flush();
$heard = file_get_contents($_GET['fifo']);
echo "two $heard";
