<?php
http_response_code(404);
header('Content-Type: text/plain');
header('Set-Cookie: a=1');
echo 'not here, says PHP';
