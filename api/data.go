package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
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
			Returns: "[" + row + "]", spread: sums(addExports), handle: s.listExports},
		{Method: "POST", Path: "/data/import", Name: "import", Summary: "Import an export of EMQ X 4 or of Dunlin: a file, or the content as the body",
			content: longest, spread: importThere, handle: s.importData,
			Params: []Param{filename,
				{Name: "node", Type: Text, Doc: "whose file it is; this one's"},
				{Name: "env", Type: Any, Doc: `an object to put over the export: {"auth.mnesia.as":"username"} says what logins are before 4.3`},
				{Name: "dry_run", Type: Flag, Doc: "say what would be done"},
			},
			Whole: true, Returns: "{code: int, data: " + report + "} | {message, reason, report?: " + report + "}"},
		{Method: "GET", Path: "/data/file/:filename", Name: "download", Summary: "Read the file of an export",
			Whole: true, Returns: "{filename, file}", secret: true, spread: anywhere, handle: s.downloadExport},
		{Method: "POST", Path: "/data/file", Name: "upload", Summary: "Write the file of an export", content: longest,
			Params: []Param{filename, {Name: "file", Type: Text, Doc: "the content"}}, Returns: "{node}", handle: s.uploadExport},
		{Method: "DELETE", Path: "/data/file/:filename", Name: "delete", Summary: "Delete the file of an export",
			spread: anywhere, handle: func(q *request) (any, error) { return nil, dataFault(s.o.Exports.Remove(q.path["filename"])) }},
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

// addExports adds the files of another node, the oldest first.
func addExports(_ *request, total *[]object, one []object) {
	*total = append(*total, one...)
	slices.SortStableFunc(*total, func(a, b object) int { return exportedAt(a).Compare(exportedAt(b)) })
}

// exportedAt is the created_at of a row; zero for what is none.
func exportedAt(row object) time.Time {
	text, _ := row["created_at"].(string)
	at, _ := time.Parse("2006-1-2 15:4:5", text)
	return at
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

// readImport reads the body. text is the export itself, nil if a file is named.
func readImport(q *request) (body importBody, text []byte) {
	err := json.Unmarshal(q.content, &body)
	if body.Version != nil || body.File != nil || err != nil && len(q.content) > 0 {
		return importBody{Node: q.params.text("node"), Filename: q.params.text("filename")}, q.content // or meant to be one
	}
	body.Filename, body.Node = cmp.Or(body.Filename, q.params.text("filename")), cmp.Or(body.Node, q.params.text("node"))
	return body, nil
}

// importThere has the node import whose file it is.
func importThere(s *Server, q *request, all []Member) (any, error) {
	body, text := readImport(q)
	if text != nil {
		return q.own()
	}
	return s.relay(q, all, body.Node, codeRPC)
}

func (s *Server) importData(q *request) (any, error) {
	body, text := readImport(q)
	name, node := body.Filename, body.Node
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
		var err error
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
