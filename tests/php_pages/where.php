<?php
header('Content-Type: application/json');
$names = ['SCRIPT_NAME', 'SCRIPT_FILENAME', 'PATH_INFO', 'DOCUMENT_ROOT', 'PHP_SELF', 'REQUEST_URI', 'QUERY_STRING',
    'SERVER_SOFTWARE', 'SERVER_NAME', 'REQUEST_METHOD', 'HTTPS', 'REMOTE_ADDR', 'PHP_AUTH_USER', 'HTTP_PROXY'];
$found = ['sapi' => PHP_SAPI, 'pid' => getmypid(), 'folder' => getcwd()];
foreach ($names as $name) {
    $found[$name] = $_SERVER[$name] ?? null;
}
echo json_encode($found);
