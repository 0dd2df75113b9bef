"""The MIME map above every configuration: what IIS's setup writes into its file, and types that came later.

Extensions of settings, scripts and keys (.ini, .yaml, .py, .sh, .sql, .pem, .log) are missing on purpose: a file of
that kind that lies in a site by mistake answers 404.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_BY_TYPE: Final[Mapping[str, str]] = {
    # text
    "text/html": ".htm .html",
    "text/css": ".css .less",
    "text/plain": ".txt .c .cpp .h .asm .bas .map .md5 .sha256 .diff .patch",
    "text/markdown": ".md .markdown",
    "text/csv": ".csv",
    "text/xml": ".xml .xsd .xsl .xslt .dtd .wsdl .mno .disco .vml .xdr .sct .wsc",
    "text/vcard": ".vcf",
    "text/calendar": ".ics",
    "text/vtt": ".vtt",
    "text/richtext": ".rtx",
    "text/sgml": ".sgml",
    "text/vbscript": ".vbs",
    "text/x-component": ".htc",
    "text/cache-manifest": ".appcache",
    "text/tab-separated-values": ".tsv",
    # scripts and data
    "text/javascript": ".js .mjs .cjs",
    "application/json": ".json",
    "application/ld+json": ".jsonld",
    "application/manifest+json": ".webmanifest",
    "application/geo+json": ".geojson",
    "application/xhtml+xml": ".xhtml .xht",
    "application/atom+xml": ".atom",
    "application/rss+xml": ".rss",
    "application/wasm": ".wasm",
    # images
    "image/gif": ".gif",
    "image/jpeg": ".jpe .jpeg .jpg",
    "image/png": ".png .pnz",
    "image/svg+xml": ".svg .svgz",
    "image/webp": ".webp",
    "image/avif": ".avif",
    "image/heic": ".heic",
    "image/jxl": ".jxl",
    "image/apng": ".apng",
    "image/bmp": ".bmp .dib",
    "image/tiff": ".tif .tiff",
    "image/x-icon": ".ico",
    # sound and film
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/aac": ".aac",
    "audio/flac": ".flac",
    "audio/ogg": ".oga .opus",
    "audio/wav": ".wav",
    "audio/midi": ".mid .midi",
    "video/mp4": ".mp4 .m4v .mp4v",
    "video/mpeg": ".mpeg .mpg",
    "video/mp2t": ".ts .m2ts",
    "video/ogg": ".ogg .ogv",
    "video/quicktime": ".mov .qt",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
    "video/avi": ".avi",
    "application/vnd.apple.mpegurl": ".m3u8",
    "application/dash+xml": ".mpd",
    # fonts
    "font/woff": ".woff",
    "font/woff2": ".woff2",
    "font/otf": ".otf",
    "font/ttf": ".ttf",
    "application/vnd.ms-fontobject": ".eot",
    # documents
    "application/pdf": ".pdf",
    "application/rtf": ".rtf",
    "application/postscript": ".ps .eps .ai",
    "application/epub+zip": ".epub",
    "application/msword": ".doc .dot",
    "application/vnd.ms-excel": ".xls .xlt",
    "application/vnd.ms-powerpoint": ".ppt .pps",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/vnd.oasis.opendocument.presentation": ".odp",
    "application/x-tex": ".tex",
    "application/x-shockwave-flash": ".swf",
    # archives and programs
    "application/x-zip-compressed": ".zip",
    "application/x-gzip": ".gz",
    "application/x-compressed": ".tgz",
    "application/x-compress": ".z",
    "application/x-tar": ".tar",
    "application/x-bzip2": ".bz2",
    "application/x-xz": ".xz",
    "application/zstd": ".zst",
    "application/x-7z-compressed": ".7z",
    "application/java-archive": ".jar",
    "application/vnd.android.package-archive": ".apk",
    "application/vnd.debian.binary-package": ".deb",
    "application/x-rpm": ".rpm",
    "application/x-x509-ca-cert": ".crt .der",
    "application/pgp-signature": ".asc .sig",
    "application/hta": ".hta",
    "application/x-ms-manifest": ".manifest",
    "application/x-msdownload": ".dll",
    "application/octet-stream": ".bin .exe .msi .rar .psd .java .toc .iso .img .dmg .whl",
}

DEFAULT_MIME_MAP: Final[Mapping[str, str]] = {
    extension: mime_type for mime_type, extensions in _BY_TYPE.items() for extension in extensions.split()
}
"""Extension (lower case, with its dot) to MIME type."""
