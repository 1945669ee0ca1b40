package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dunlin-mq/dunlin/backup"
)

// dataVerbs export what the broker keeps, and import it.
func dataVerbs(where *place) *cobra.Command {
	var o importOptions
	return verbs(where, "data", "Exports of accounts, ACL rules, bans and logins",
		verb{use: "import <File> [--env '<json>']", short: "Import data from the specified file, possibly with overrides", flags: o.flags,
			run: func(r *remote, args []string) error {
				if len(args) > 1 {
					return errUsage
				}
				return r.importFile(args[0], &o)
			}},
		verb{use: "export", short: "Export data", run: func(r *remote, _ []string) error {
			var row struct {
				Filename string
				Notes    []string
			}
			err := r.call("POST", "/data/export", nil, &row)
			if why := refusal(""); errors.As(err, &why) {
				return sentence(fmt.Sprintf("The emqx data export failed due to %s.", why))
			}
			if err != nil {
				return err
			}
			for _, note := range row.Notes {
				r.printf("%s.\n", note)
			}
			r.printf("The emqx data has been successfully exported to %s.\n", filepath.Join(r.exports(), row.Filename))
			return nil
		}})
}

// importOptions say how to import.
type importOptions struct {
	env string
	dry bool
}

func (o *importOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.env, "env", "", `JSON to put over the export; {"auth.mnesia.as":"username"} or "clientid" says what logins are before 4.3`)
	f.BoolVar(&o.dry, "dry-run", false, "say what would be done, and do nothing")
}

// exports is the folder of the data exports.
func (r *remote) exports() string { return filepath.Join(filepath.Dir(r.socket), "backup") }

// importFile imports a file of the broker's folder, if it has one of that name,
// else one that is read here.
func (r *remote) importFile(path string, o *importOptions) error {
	text, err := readExport(path, r.exports())
	if err != nil {
		return importFailed(path, &answer{Message: wordOf(err)})
	}
	report, a, err := r.importText(text, o)
	switch {
	case err != nil:
		return err
	case report == nil:
		return importFailed(path, a)
	}
	if !r.json {
		printReport(r.out, report)
	}
	return nil
}

// importText hands an export to the broker; report is nil if it was refused.
func (r *remote) importText(text []byte, o *importOptions) (report *backup.Report, a *answer, err error) {
	query := url.Values{"dry_run": {fmt.Sprint(o.dry)}, "env": {o.env}}
	if a, err = r.send("POST", "/data/import?"+query.Encode(), strings.NewReader(string(text))); err != nil {
		return nil, nil, err
	}
	report = new(backup.Report)
	if err = r.take(a, report); errors.As(err, new(refusal)) {
		return nil, a, nil
	}
	return report, a, err
}

// readExport reads a file; a mere name is looked for in the folder of exports
// first, as EMQ X does.
func readExport(path, folder string) (text []byte, err error) {
	if filepath.Base(path) == path {
		if text, err = backup.Folder(folder).Read(path); err == nil {
			return text, nil
		}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if text, err = io.ReadAll(io.LimitReader(file, backup.MaxSize+1)); err == nil && len(text) > backup.MaxSize {
		err = fmt.Errorf("larger than %d bytes", backup.MaxSize)
	}
	return text, err
}

// wordOf is EMQ X's word for why a file can't be read.
func wordOf(err error) string {
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "not_found"
	case errors.Is(err, fs.ErrPermission):
		return "eacces"
	case errors.As(err, &path):
		return path.Err.Error()
	}
	return err.Error()
}

// importFailed is EMQ X's sentence, with the reason it leaves to its log.
func importFailed(path string, a *answer) error {
	switch a.Message {
	case "unsupported_version":
		return sentence("The emqx data import failed: Unsupported version.\n" + a.Reason)
	case "import_failed":
		return sentence("The emqx data import failed.\n" + a.Reason)
	}
	return sentence(fmt.Sprintf("The emqx data import failed: %s while reading %s.", a.Message, path))
}

// printReport says what was imported, and what not.
func printReport(w io.Writer, r *backup.Report) {
	fmt.Fprintf(w, "Export of version %s, made %s\n", r.Version, r.Date)
	for i := range r.Parts {
		p := &r.Parts[i]
		fmt.Fprintf(w, "  %-16s %d added, %d replaced, %d unchanged\n", p.Name, p.Added, p.Replaced, p.Unchanged)
		for _, name := range p.Names {
			fmt.Fprintf(w, "    replaced: %s\n", name)
		}
	}
	for _, l := range r.Left {
		fmt.Fprintf(w, "  not imported: %d %s: %s\n", l.Count, l.Part, l.Reason)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "  skipped: %s %s: %s\n", p.At, p.Name, p.Reason)
	}
	if more := r.Skipped - len(r.Problems); more > 0 {
		fmt.Fprintf(w, "  skipped: %d more\n", more)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "  %s\n", note)
	}
	if r.DryRun {
		fmt.Fprintln(w, "Nothing was changed: this was a dry run.")
		return
	}
	fmt.Fprintln(w, "The emqx data has been imported successfully.")
}
