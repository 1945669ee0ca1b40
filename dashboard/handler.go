package dashboard

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed all:dist
var dist embed.FS

// policy lets a page use what this handler serves and nothing else: no inline
// script or style, no frame around it. The WebSocket client of the app talks to
// whatever broker its user names, so connections of that kind go anywhere.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self' ws: wss:; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Handler returns the app. It answers GET and HEAD; a path that is no file gets
// the app's page if a browser navigates there, since the app has pages at paths
// of their own, and 404 otherwise. It may be called from many goroutines.
func Handler() http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the name is a constant that embed has checked
	}
	return newHandler(files)
}

type handler struct {
	assets map[string]*asset // by path, without the slash before it
	page   *asset
}

func newHandler(files fs.FS) *handler {
	h := &handler{assets: readAssets(files)}
	h.page = h.assets["index.html"]
	return h
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "The dashboard's files can only be read.", http.StatusMethodNotAllowed)
		return
	}
	a := h.find(r)
	if a == nil {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "There is no such file.", http.StatusNotFound)
		return
	}
	a.serve(w, r)
}

func (h *handler) find(r *http.Request) *asset {
	name := strings.TrimPrefix(r.URL.Path, "/")
	if a := h.assets[name]; a != nil {
		return a
	}
	if navigates(r, name) {
		return h.page
	}
	return nil
}

// navigates reports whether a browser asks for a page to show. A missing script
// or image is no such thing: answering it with the page would hide the mistake,
// and an old tab would take HTML for the code it wanted.
func navigates(r *http.Request, name string) bool {
	if strings.HasPrefix(name, hashedFolder) {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return path.Ext(name) == "" || strings.Contains(r.Header.Get("Accept"), "text/html")
}

func protect(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers that don't know frame-ancestors
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
}
