<?php
error_log('a note of the page');
header('Content-Type: text/plain');
echo 'the page';
