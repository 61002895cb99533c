// Package page serves the status of the workloads as HTML, for people. It works
// without JavaScript; with it, it follows the feed.
package page

import (
	"bytes"
	"context"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/authwatch/authwatch/events"
	"github.com/authwatch/authwatch/services/status/api"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed assets/*
var assets embed.FS

// Reader has the current workloads.
type Reader interface {
	Workloads() []api.Workload
	Workload(name string) (api.Workload, bool)
	Ready() error
}

// Journal has what happened to one workload and who was told, newest first.
type Journal interface {
	Transitions(ctx context.Context, workload string, limit int) ([]events.Record, error)
	Receipts(ctx context.Context, workload string, limit int) ([]api.Receipt, error)
}

// Page serves HTML.
type Page struct {
	reader    Reader
	journal   Journal
	stale     func() error
	templates *template.Template
}

// New parses the templates. stale is an error while what is shown may be out of
// date, because the broker does not answer.
func New(r Reader, j Journal, stale func() error) (*Page, error) {
	p := &Page{reader: r, journal: j, stale: stale}
	parsed, err := template.New("").Funcs(functions(time.Now, stale)).ParseFS(templates, "templates/*.html")
	if err != nil {
		return nil, err
	}
	p.templates = parsed
	return p, nil
}

// policy lets the page load its own stylesheet and script, and nothing else:
// text that upstreams wrote is on it.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Handler serves the pages.
func (p *Page) Handler() http.Handler {
	files, _ := fs.Sub(assets, "assets") // the directory is embedded above
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.ready(p.list))
	mux.HandleFunc("GET /workloads/{name}", p.ready(p.workload))
	mux.Handle("GET /assets/", http.StripPrefix("/assets/", http.FileServerFS(files)))
	mux.HandleFunc("/", p.notFound)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		mux.ServeHTTP(w, r)
	})
}

func (p *Page) ready(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := p.reader.Ready(); err != nil {
			p.render(w, http.StatusServiceUnavailable, "starting.html", view{Title: "Starting"})
			return
		}
		next(w, r)
	}
}

func (p *Page) list(w http.ResponseWriter, r *http.Request) {
	status, name := r.FormValue("status"), strings.TrimSpace(r.FormValue("name"))
	p.render(w, http.StatusOK, "list.html", newList(p.reader.Workloads(), status, name))
}

func (p *Page) workload(w http.ResponseWriter, r *http.Request) {
	one, ok := p.reader.Workload(r.PathValue("name"))
	if !ok {
		p.notFound(w, r)
		return
	}
	d := detail{view: view{Title: one.Workload + ": " + string(one.Status)}, Workload: one}
	var err error
	if d.Transitions, err = p.journal.Transitions(r.Context(), one.Workload, 100); err != nil {
		d.NoHistory = true
	}
	if d.Receipts, err = p.journal.Receipts(r.Context(), one.Workload, 50); err != nil {
		d.NoReceipts = true
	}
	p.render(w, http.StatusOK, "workload.html", d)
}

func (p *Page) notFound(w http.ResponseWriter, _ *http.Request) {
	p.render(w, http.StatusNotFound, "notfound.html", view{Title: "Not found"})
}

func (p *Page) render(w http.ResponseWriter, status int, name string, data any) {
	var body bytes.Buffer
	if err := p.templates.ExecuteTemplate(&body, name, data); err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w)
}
