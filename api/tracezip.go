package api

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/trace"
)

// download is an answer that is a file.
type download struct {
	name, media string
	write       func(io.Writer) error
}

// writeTo answers with the file. After an error the connection is broken off,
// so that nobody takes a part of it for the whole.
func (d *download) writeTo(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", d.media)
	w.Header().Set("Content-Disposition", `attachment; filename="`+d.name+`"`)
	return d.write(w)
}

// traceFile is the file of a trace on one node, as long as it was at first.
type traceFile struct {
	node     string
	modified time.Time
	io.Reader
	io.Closer
}

// zipped answers with the files of a trace; missing are nodes that may have one
// too.
func zipped(name string, files []traceFile, missing []string) *download {
	return &download{name + ".zip", "application/zip", func(w io.Writer) error {
		z := zip.NewWriter(w)
		var err error
		add := func(name string, modified time.Time, text io.Reader) {
			var entry io.Writer
			if err == nil {
				entry, err = z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: modified})
			}
			if err == nil {
				_, err = io.Copy(entry, text)
			}
		}
		for _, f := range files {
			add(f.node+"-"+name+".log", f.modified, f)
			err = errors.Join(err, f.Close())
		}
		if len(missing) > 0 {
			add("missing.txt", time.Now(), strings.NewReader("These nodes did not answer: "+strings.Join(missing, ", ")+"\n"))
		}
		return errors.Join(err, z.Close())
	}}
}

// ownTrace is the file that this node has.
func (s *Server) ownTrace(name string) (traceFile, error) {
	f, err := s.o.Traces.Open(name)
	if errors.Is(err, fs.ErrNotExist) { // it has not begun
		err = trace.ErrNotFound
	}
	if err != nil {
		return traceFile{}, err
	}
	return traceFile{s.o.Node, f.Modified, io.LimitReader(f, f.Size), f}, nil
}

// downloadTrace answers with what the file has now; what is written meanwhile is
// not in it.
func (s *Server) downloadTrace(q *request) (any, error) {
	name := q.path["name"]
	f, err := s.ownTrace(name)
	if err != nil {
		return nil, traceFault(name, err)
	}
	return zipped(name, []traceFile{f}, nil), nil
}

// downloadTraces does so with the files of all nodes, or of the one that the
// parameter node names.
func downloadTraces(s *Server, q *request, all []Member) (any, error) {
	if node := q.params.text("node"); node != "" {
		m, ok := named(all, node)
		if !ok || m.Self {
			return q.own()
		}
		all = []Member{m}
	}
	name := q.path["name"]
	var files []traceFile
	if len(all) > 1 {
		switch own, err := s.ownTrace(name); {
		case err == nil:
			files = []traceFile{own}
		case !errors.Is(err, trace.ErrNotFound):
			return nil, err
		}
	}
	detail := *q
	detail.parts = []string{"trace", name, "detail"}
	for _, r := range s.askAll(&detail, all) {
		var is []struct{ Size, MTime int64 }
		if json.Unmarshal(r.body.Data, &is) == nil && len(is) > 0 {
			text := &remoteText{s: s, q: q, of: r.from, size: is[0].Size}
			files = append(files, traceFile{r.from.Name, time.UnixMilli(is[0].MTime), text, io.NopCloser(nil)})
		}
	}
	if files == nil {
		q.missing = detail.missing
		return nil, traceFault(name, trace.ErrNotFound)
	}
	return zipped(name, files, detail.missing), nil
}

// remoteText reads the file of another node, part by part.
type remoteText struct {
	s        *Server
	q        *request
	of       Member
	at, size int64
	rest     string
}

// Read is io.Reader's.
func (r *remoteText) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.at >= r.size {
			return 0, io.EOF
		}
		if err := r.more(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *remoteText) more() error {
	part := *r.q
	part.parts = []string{"trace", r.q.path["name"], "log"}
	part.sent = params{"position": r.at, "bytes": min(r.size-r.at, trace.MostRead)}
	said, err := r.s.ask(&part, r.of, nil)
	if err != nil {
		return err
	}
	var data struct {
		Meta  struct{ Position int64 }
		Items string
	}
	if err := json.Unmarshal(said.body.Data, &data); err != nil || data.Items == "" {
		return fmt.Errorf("node %s: the file of the trace ended at byte %d of %d: %s", r.of.Name, r.at, r.size, said.why())
	}
	r.at, r.rest = data.Meta.Position, data.Items
	return nil
}
