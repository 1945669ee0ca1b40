package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/backup"
)

// dataRoutes export and import what the node keeps, and manage the files of
// exports, which are in the folder backup of the data directory.
func (s *Server) dataRoutes() []Route {
	if s.o.Backup == nil {
		return nil
	}
	// A text in JSON may be twice as long as what it holds, with \n and \".
	const longest = 2*backup.MaxSize + 1<<20
	const row = "{filename, size: int, created_at, node}"
	const report = "{version, date, dry_run: bool, parts: [{name, added: int, unchanged: int, replaced: int, replaced_names: [string]}], " +
		"problems: [{at, name?, reason}], skipped: int, not_imported: [{part, count: int, reason}], notes: [string]}"
	filename := Param{Name: "filename", Type: Text, Doc: "of an export in the folder backup of the data directory"}
	routes := []Route{
		{Method: "POST", Path: "/data/export", Name: "export", Summary: "Export accounts, ACL rules, bans and logins to a file",
			Returns: row[:len(row)-1] + ", notes: [string]}", handle: s.exportData},
		{Method: "GET", Path: "/data/export", Name: "list_exported", Summary: "List the files of exports, the oldest first",
			Returns: "[" + row + "]", handle: s.listExports},
		{Method: "POST", Path: "/data/import", Name: "import", Summary: "Import an export of EMQ X 4 or of Dunlin: a file, or the content as the body",
			content: longest, handle: s.importData,
			Params: []Param{filename,
				{Name: "node", Type: Text, Doc: "whose file it is; this one's"},
				{Name: "env", Type: Any, Doc: `an object to put over the export: {"auth.mnesia.as":"username"} says what logins are before 4.3`},
				{Name: "dry_run", Type: Flag, Doc: "say what would be done"},
			},
			Whole: true, Returns: "{code: int, data: " + report + "} | {message, reason, report?: " + report + "}"},
		{Method: "GET", Path: "/data/file/:filename", Name: "download", Summary: "Read the file of an export",
			Whole: true, Returns: "{filename, file}", secret: true, handle: s.downloadExport},
		{Method: "POST", Path: "/data/file", Name: "upload", Summary: "Write the file of an export", content: longest,
			Params: []Param{filename, {Name: "file", Type: Text, Doc: "the content"}}, Returns: "{node}", handle: s.uploadExport},
		{Method: "DELETE", Path: "/data/file/:filename", Name: "delete", Summary: "Delete the file of an export",
			handle: func(q *request) (any, error) { return nil, dataFault(s.o.Exports.Remove(q.path["filename"])) }},
	}
	for i := range routes {
		routes[i].Versions = V4
	}
	return routes
}

// target is what is exported and imported, the logins of the interface with it.
func (s *Server) target() *backup.Target {
	t := *s.o.Backup
	t.Apps, t.Users = s.apps, s.users
	return &t
}

// dataFault is the answer of these routes, which has EMQ X's word and no code.
func dataFault(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, backup.ErrNotFound), errors.Is(err, backup.ErrFileName):
		return failWithoutCode(err.Error())
	}
	return err
}

func (s *Server) exportData(*request) (any, error) {
	now := time.Now()
	text, notes, err := backup.Write(s.target().Export(), now)
	if err != nil {
		return nil, err
	}
	name := backup.FileName(now)
	if err := s.o.Exports.Write(name, text); err != nil {
		return nil, err
	}
	row := s.exportRow(&backup.File{Name: name, Size: int64(len(text)), Created: now})
	row["notes"] = append([]string{}, notes...)
	return row, nil
}

func (s *Server) exportRow(f *backup.File) object {
	return object{"filename": f.Name, "size": f.Size, "created_at": f.Created.Format("2006-1-2 ") + unpadded(f.Created), "node": s.o.Node}
}

// unpadded is the time of day without zeros in front, as EMQ X writes it.
func unpadded(t time.Time) string {
	parts := strings.Split(t.Format("15:04:05"), ":")
	for i, part := range parts {
		parts[i] = cmp.Or(strings.TrimPrefix(part, "0"), "0")
	}
	return strings.Join(parts, ":")
}

func (s *Server) listExports(*request) (any, error) {
	files, err := s.o.Exports.List()
	rows := []object{}
	for i := range files {
		rows = append(rows, s.exportRow(&files[i]))
	}
	return rows, err
}

func (s *Server) downloadExport(q *request) (any, error) {
	text, err := s.o.Exports.Read(q.path["filename"])
	if err != nil {
		return nil, dataFault(err)
	}
	return asItIs{"filename": q.path["filename"], "file": string(text)}, nil
}

func (s *Server) uploadExport(q *request) (any, error) {
	var body struct{ Filename, File string }
	if json.Unmarshal(q.content, &body) != nil || body.File == "" {
		return nil, failWithoutCode("missing_required_params")
	}
	if len(body.File) > backup.MaxSize || !json.Valid([]byte(body.File)) {
		return nil, failWithoutCode("bad_json")
	}
	name := cmp.Or(body.Filename, backup.FileName(time.Now()))
	if err := s.o.Exports.Write(name, []byte(body.File)); err != nil {
		return nil, dataFault(err)
	}
	return object{"node": s.o.Node}, nil
}

// importBody is what the body of an import may be: the name of a file, or an
// export itself, which has a version.
type importBody struct {
	Filename string          `json:"filename"`
	Node     string          `json:"node"`
	Env      json.RawMessage `json:"env"`
	DryRun   bool            `json:"dry_run"`

	Version json.RawMessage `json:"version"`
	File    json.RawMessage `json:"file"` // of a download that was saved
}

func (s *Server) importData(q *request) (any, error) {
	var body importBody
	text := q.content
	err := json.Unmarshal(text, &body)
	if body.Version != nil || body.File != nil || err != nil && len(text) > 0 {
		body = importBody{} // it is an export, or meant to be one
	} else {
		text = nil
	}
	name, node := cmp.Or(body.Filename, q.params.text("filename")), cmp.Or(body.Node, q.params.text("node"))
	env, _ := q.params["env"].(string)
	if len(body.Env) == 0 {
		body.Env = []byte(env)
	}
	switch {
	case node != "" && node != s.o.Node:
		return nil, failWithoutCode("no_existent_node")
	case text == nil && name == "":
		return nil, failWithoutCode("missing_required_params")
	case text == nil:
		if text, err = s.o.Exports.Read(name); err != nil {
			return nil, dataFault(err)
		}
	}
	return s.importText(q, text, body.Env, body.DryRun || q.params.flag("dry_run"))
}

func (s *Server) importText(q *request, text, env []byte, dry bool) (any, error) {
	d, err := backup.Read(text, env)
	if err != nil {
		return notImported(err), nil
	}
	report, err := s.target().Import(q.ctx, d, dry)
	if err == nil {
		return report, nil
	}
	answer := notImported(err)
	answer["report"] = report
	return answer, nil
}

// notImported is EMQ X's word for what went wrong, with the reason.
func notImported(err error) asItIs {
	word := "import_failed"
	switch {
	case errors.Is(err, backup.ErrVersion):
		word = "unsupported_version"
	case errors.Is(err, backup.ErrNoJSON):
		word = "bad_json"
	}
	return asItIs{"message": word, "reason": err.Error()}
}
