package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

// hashedFolder holds the files whose names contain the hash of their content, so
// that what is kept of them is never out of date.
const hashedFolder = "assets/"

// types are the content types by extension. Go's own table asks the system,
// which may say something else on every machine.
var types = map[string]string{
	".css":         "text/css; charset=utf-8",
	".html":        "text/html; charset=utf-8",
	".ico":         "image/x-icon",
	".js":          "text/javascript; charset=utf-8",
	".json":        "application/json",
	".md":          "text/markdown; charset=utf-8",
	".png":         "image/png",
	".svg":         "image/svg+xml",
	".txt":         "text/plain; charset=utf-8",
	".webmanifest": "application/manifest+json",
	".woff2":       "font/woff2",
}

// asset is one file, ready to be sent.
type asset struct {
	contentType string
	etag        string // of the plain content
	forever     bool   // its name changes with its content
	content     []byte
	zipped      func() []byte // nil if it isn't smaller; made when it is first wanted
}

func readAssets(files fs.FS) map[string]*asset {
	all := make(map[string]*asset)
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		all[name], err = newAsset(name, content)
		return err
	})
	if err != nil {
		panic(err) // files that are embedded can be read, and a test knows the type of each
	}
	return all
}

func newAsset(name string, content []byte) (*asset, error) {
	contentType := types[path.Ext(name)]
	if contentType == "" {
		return nil, fmt.Errorf("dashboard: %s: no content type is known for %q", name, path.Ext(name))
	}
	sum := sha256.Sum256(content)
	return &asset{
		contentType: contentType,
		etag:        base64.RawURLEncoding.EncodeToString(sum[:12]),
		forever:     strings.HasPrefix(name, hashedFolder),
		content:     content,
		zipped:      sync.OnceValue(func() []byte { return zip(content) }),
	}, nil
}

// zip returns nil for what would hardly get smaller, as images.
func zip(content []byte) []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = z.Write(content)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil || b.Len() > len(content)*9/10 {
		return nil
	}
	return b.Bytes()
}

func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Vary", "Accept-Encoding")
	if a.forever {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	content, etag := a.content, `"`+a.etag+`"`
	if acceptsGzip(r.Header.Values("Accept-Encoding")) {
		if z := a.zipped(); z != nil {
			content, etag = z, `"`+a.etag+`-gzip"` // another representation: RFC 9110, 8.8.3.3
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("ETag", etag)
	if matches(r.Header.Get("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", a.contentType)
	h.Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	if _, err := w.Write(content); err != nil {
		return // whoever asked has gone
	}
}

// matches reports whether the list of If-None-Match has the tag (RFC 9110,
// 13.1.2: compared weakly).
func matches(list, etag string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == etag {
			return true
		}
	}
	return false
}

// acceptsGzip reads Accept-Encoding (RFC 9110, 12.5.3): gzip by name or by *,
// unless its weight is 0.
func acceptsGzip(lines []string) bool {
	accepted := false
	for _, line := range lines {
		for one := range strings.SplitSeq(line, ",") {
			coding, parameters, _ := strings.Cut(strings.TrimSpace(one), ";")
			coding = strings.ToLower(strings.TrimSpace(coding))
			if coding != "gzip" && coding != "*" {
				continue
			}
			_, weight, has := strings.Cut(strings.ReplaceAll(strings.ToLower(parameters), " ", ""), "q=")
			q, err := strconv.ParseFloat(weight, 64)
			accepted = !has || err == nil && q > 0
			if coding == "gzip" {
				return accepted
			}
		}
	}
	return accepted
}
