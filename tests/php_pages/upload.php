<?php
header('Content-Type: text/plain');
$file = $_FILES['file'];
echo $file['error'], ' ', $file['size'], ' ', hash_file('sha256', $file['tmp_name']);
