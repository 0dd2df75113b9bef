<?php
session_start();
$_SESSION['seen'] = ($_SESSION['seen'] ?? 0) + 1;
header('Content-Type: text/plain');
echo $_SESSION['seen'], ' ', json_encode($_POST), ' ', json_encode($_GET), ' ', getmypid();
