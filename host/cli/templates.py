"""The files that `isapy init` writes. `@NAME@` and its like are replaced."""

from __future__ import annotations

from typing import Final

APPLICATION_HOST: Final = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- The configuration of isapy, with the names of IIS's applicationHost.config. Saving it changes the running
     service; a mistake changes nothing and is reported. Check it with: isapy check -->
<configuration>
    <system.applicationHost>
        <!-- WorkerProcess: application pools with worker processes of their own (IIS 6).
             IIS5: inetinfo, one dllhost for Medium applications, one for each High one. -->
        <isolation mode="WorkerProcess" />
        <applicationPools>
            <add name="DefaultAppPool">
                <!-- <processModel idleTimeout="00:20:00" maxProcesses="1" /> -->
                <!-- <recycling><periodicRestart time="1.05:00:00" /></recycling> -->
            </add>
        </applicationPools>
        <sites>
            <site name="Default Web Site" id="1">
                <bindings>
                    <!-- address:port:host. 127.0.0.1 is this machine only, * every address. -->
                    <binding protocol="http" bindingInformation="127.0.0.1:@PORT@:" />
                </bindings>
                <logFile directory="%ISAPY_ROOT%/logs" />
                <application path="/" applicationPool="DefaultAppPool" isolation="Medium">
                    <virtualDirectory path="/" physicalPath="%ISAPY_ROOT%/wwwroot" />
                </application>
            </site>
        </sites>
    </system.applicationHost>
    <system.webServer>
        <!-- Extensions in ../extensions map themselves. CGI programs need a mapping, and Execute. -->
        <handlers accessPolicy="Read, Script, Execute">
            <add name="CGI-bin" path="cgi-bin/*" verb="*" modules="CgiModule" resourceType="File"
                 requireAccess="Execute" allowPathInfo="true" />
        </handlers>
        <!-- Filters run in this order. isapy new filter NAME adds one. -->
        <isapiFilters>
            <filter name="request_filtering" enableCache="true" />
        </isapiFilters>
        <security>
            <isapiCgiRestriction notListedCgisAllowed="true" />
        </security>
        <!-- Who runs scripts whose first line names a program of Windows, or one that is not here. -->
        <cgi>
            <languages>
@LANGUAGES@
            </languages>
        </cgi>
    </system.webServer>
</configuration>
"""

INDEX: Final = """\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>It works</title></head>
<body>
<h1>It works</h1>
<p>This page is <code>wwwroot/index.html</code>.</p>
<ul>
<li><a href="cgi-bin/hello.py?name=you">A CGI program</a>: <code>wwwroot/cgi-bin/hello.py</code></li>
<li><a href="x.hello?name=you">An extension</a> that came with isapy, mapped to <code>*.hello</code></li>
</ul>
<p>Make an extension of your own: <code>isapy new extension greet</code></p>
</body>
</html>
"""

CGI_HELLO: Final = '''\
#!/usr/bin/env python3
"""A CGI program: it reads its environment and prints a header block, an empty line, and a page."""

import html
import os
from urllib.parse import parse_qs

name = parse_qs(os.environ.get("QUERY_STRING", "")).get("name", ["world"])[0]

print("Content-Type: text/html; charset=utf-8")
print()
print(f"<p>Hello {html.escape(name)}, this is {os.environ['SCRIPT_NAME']}.</p>")
'''

README: Final = """\
A site of isapy: `isapy run --config conf/applicationHost.config`, then open http://localhost:@PORT@/

- `wwwroot/` pages and files, `wwwroot/cgi-bin/` CGI programs (`chmod +x`)
- `extensions/` drop a Python file in and it answers requests: `isapy new extension NAME`
- `filters/` see every request, when listed in the configuration: `isapy new filter NAME`
- `tests/` a test for each of them, without a server: `python -m pytest`
- `conf/applicationHost.config` the configuration; `isapy check --config conf/applicationHost.config` judges it
"""

GITIGNORE: Final = """\
logs/
__pycache__/
"""


def fill(template: str, **values: str) -> str:
    """The template with its `@NAME@` words replaced."""
    for name, value in values.items():
        template = template.replace(f"@{name.upper()}@", value)
    return template
