package static

import (
	"errors"
	"io"
	"net/http"
	"path"
	"strings"
)

// types are the media types by extension. The system's tables differ between
// machines, so they are not asked.
var types = map[string]string{
	".aac": "audio/aac", ".avif": "image/avif", ".bin": "application/octet-stream",
	".bmp": "image/bmp", ".br": "application/octet-stream", ".bz2": "application/x-bzip2",
	".css": "text/css; charset=utf-8", ".csv": "text/csv; charset=utf-8",
	".deb": "application/vnd.debian.binary-package", ".eot": "application/vnd.ms-fontobject",
	".epub": "application/epub+zip", ".flac": "audio/flac", ".gif": "image/gif", ".gz": "application/gzip",
	".heic": "image/heic", ".htm": "text/html; charset=utf-8", ".html": "text/html; charset=utf-8",
	".ico": "image/vnd.microsoft.icon", ".ics": "text/calendar; charset=utf-8",
	".jpeg": "image/jpeg", ".jpg": "image/jpeg", ".js": "text/javascript; charset=utf-8",
	".json": "application/json", ".jsonld": "application/ld+json", ".jxl": "image/jxl",
	".log": "text/plain; charset=utf-8", ".m3u8": "application/vnd.apple.mpegurl", ".m4a": "audio/mp4",
	".map": "application/json", ".md": "text/markdown; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
	".mkv": "video/x-matroska", ".mov": "video/quicktime", ".mp3": "audio/mpeg", ".mp4": "video/mp4",
	".mpd": "application/dash+xml", ".oga": "audio/ogg", ".ogg": "audio/ogg", ".ogv": "video/ogg",
	".opus": "audio/ogg", ".otf": "font/otf", ".pdf": "application/pdf", ".png": "image/png",
	".rpm": "application/x-rpm", ".rss": "application/rss+xml; charset=utf-8", ".svg": "image/svg+xml",
	".tar": "application/x-tar", ".tgz": "application/gzip", ".tif": "image/tiff", ".tiff": "image/tiff",
	".toml": "application/toml", ".ts": "video/mp2t", ".ttf": "font/ttf", ".txt": "text/plain; charset=utf-8",
	".vtt": "text/vtt; charset=utf-8", ".wasm": "application/wasm", ".wav": "audio/wav",
	".weba": "audio/webm", ".webm": "video/webm", ".webmanifest": "application/manifest+json",
	".webp": "image/webp", ".woff": "font/woff", ".woff2": "font/woff2",
	".xhtml": "application/xhtml+xml; charset=utf-8", ".xml": "text/xml; charset=utf-8",
	".xz": "application/x-xz", ".yaml": "application/yaml", ".yml": "application/yaml",
	".zip": "application/zip", ".zst": "application/zstd", ".7z": "application/x-7z-compressed",
	".atom": "application/atom+xml; charset=utf-8",
}

// contentType is by extension, else by looking; f is at its beginning before and
// after. What only looks like a page or a script is shown as text: a file is
// active because of its name, never because of what somebody wrote into it.
func contentType(name string, f io.ReadSeeker) (string, error) {
	if t, ok := types[strings.ToLower(path.Ext(name))]; ok {
		return t, nil
	}
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	t := http.DetectContentType(head[:n])
	if strings.HasPrefix(t, "text/") {
		t = "text/plain; charset=utf-8"
	}
	return t, nil
}
