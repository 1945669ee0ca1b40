package dunlin_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/dunlin-mq/dunlin"

// layers is the architecture in one table: a package imports rows below its own and its own subfolders, nothing else of
// the module. A package that is new to the table is placed in the highest row that everything importing it allows.
var layers = []struct {
	row      int
	packages string
}{
	{7, "cmd/dunlin"},
	{6, "node"},
	{5, "api api/login dashboard"},
	{4, "server server/netloop gateway cluster rule exhook backup"},
	{3, "broker"},
	{2, "session durable retain auth otel sink rule/sql trace"},
	{1, "hook connector store host alarm discovery engine"},
	{0, "mqtt topic config metrics linefile keep fields"},
}

// leafParents are the packages whose other subfolders are leaves: one outside system or protocol each.
var leafParents = words("auth connector discovery gateway")

// aside packages stand outside the rows: each has one importer and imports nothing above its top row. Those of tests may
// import each other.
var aside = map[string]struct {
	importer string
	top      int
}{
	"bench":                {"cmd/dunlin", 0},
	"internal/mqtttest":    {"tests", 7},
	"internal/clienttest":  {"tests", 7},
	"internal/clustertest": {"tests", 0},
	"internal/build":       {"tests", 0},
	"internal/peers":       {"tests", 1},
	"internal/race":        {"tests", 0},
	"internal/testlog":     {"tests", 0},
	"keep/keeptest":        {"tests", 0},
}

// transport is what some client libraries leave to others, and take options of.
const transport = "google.golang.org/grpc"

// onlyIn names libraries that one package hides from all others.
var onlyIn = map[string]string{"github.com/nats-io/": "engine"}

// pure packages take input and now and return what to do: no I/O, no lock, no goroutine.
var (
	pure        = words("mqtt session rule/sql")
	pureForbids = words("net os sync syscall")
)

// designed packages are those whose reasons matter as much as their code.
var designed = words("server/netloop broker topic session durable retain auth engine cluster rule sink")

const (
	maxFileLines    = 900
	maxFuncLines    = 150
	maxMethods      = 6
	maxDepth        = 3
	leafTable       = "node/providers.go"
	architecture    = "ARCHITECTURE.md"
	forbiddenNames  = "util utils common types manager core helpers misc"
	addToTable      = "place it in the layers table of arch_test.go and in " + architecture
	generatedMarker = "// Code generated "
)

func TestArchitecture(t *testing.T) {
	pkgs := loadModule(t)
	var names []string
	for _, p := range pkgs {
		if !isLeaf(p.path) { // the row of its parent speaks for it
			names = append(names, p.path)
		}
	}
	eachPackage := func(name string, rule func(p *pkg) []string) {
		t.Run(name, func(t *testing.T) {
			for _, p := range pkgs {
				report(t, rule(p))
			}
		})
	}
	eachFile := func(name string, rule func(p *pkg, f *file) []string) {
		eachPackage(name, func(p *pkg) (broken []string) {
			for _, f := range p.files {
				if !f.test {
					broken = append(broken, rule(p, f)...)
				}
			}
			return broken
		})
	}

	eachPackage("every package stands in the layers table", knownPackage)
	eachFile("imports point down", importsPointDown)
	eachFile("a library that is hidden stays hidden", hiddenLibraries)
	eachFile("a leaf uses one client library", oneClientLibrary)
	eachFile("pure packages do no I/O, lock nothing and start nothing", staysPure)
	eachPackage("every package says what it is for and what it is not", packageDoc)
	eachPackage("packages are named after what they hold", packageName)
	eachPackage("folders are at most three deep", folderDepth)
	eachFile("no init functions", noInit)
	eachFile("no file over 900 lines", fileLength)
	eachFile("no function over 150 lines", funcLength)
	eachFile("interfaces have at most six methods", smallInterfaces)
	eachPackage("DESIGN.md stands where the reason matters", hasDesign)
	t.Run("ARCHITECTURE.md names every package but leaves, and only paths that exist", func(t *testing.T) {
		page, err := os.ReadFile(architecture)
		if err != nil {
			t.Fatal(err)
		}
		report(t, architecturePage(string(page), names, exists))
	})
}

func knownPackage(p *pkg) []string {
	_, known := rowOf(p.path)
	_, besides := aside[p.path]
	if known || besides || isLeaf(p.path) || p.path == "." {
		return nil
	}
	return []string{fmt.Sprintf("package %s is unknown: %s", p.path, addToTable)}
}

func importsPointDown(p *pkg, f *file) (broken []string) {
	for _, imp := range f.imports {
		to, inside := strings.CutPrefix(imp, module+"/")
		if !inside || isLeaf(to) && f.name == leafTable {
			continue
		}
		if err := mayImport(p.path, to); err != "" {
			broken = append(broken, fmt.Sprintf("%s imports %s: %s", f.name, to, err))
		}
	}
	return broken
}

// mayImport returns why from may not import to, or "".
func mayImport(from, to string) string {
	fromRow, fromKnown := rowOf(from)
	toRow, toKnown := rowOf(to)
	fromAside, isAside := aside[from]
	toAside, toIsAside := aside[to]
	switch {
	case toIsAside && toAside.importer != from && (toAside.importer != "tests" || fromAside.importer != "tests"):
		return "only " + toAside.importer + " may import it"
	case isAside && toRow > fromAside.top:
		return fmt.Sprintf("package %s imports nothing above row %d", from, fromAside.top)
	case isLeaf(to):
		return "only " + leafTable + " imports a leaf"
	case isLeaf(from) && to != path.Dir(from) && toRow > 0:
		return "a leaf imports its parent and row 0 only"
	case !fromKnown || !toKnown || strings.HasPrefix(to, from+"/") || toRow < fromRow:
		return "" // what is unknown is reported by knownPackage
	}
	return fmt.Sprintf("row %d may not import row %d", fromRow, toRow)
}

func rowOf(pkg string) (row int, known bool) {
	for _, l := range layers {
		if slices.Contains(words(l.packages), pkg) {
			return l.row, true
		}
	}
	return 0, false
}

func isLeaf(pkg string) bool {
	_, known := rowOf(pkg)
	return !known && slices.Contains(leafParents, path.Dir(pkg))
}

func hiddenLibraries(p *pkg, f *file) (broken []string) {
	for _, imp := range f.imports {
		for prefix, owner := range onlyIn {
			if strings.HasPrefix(imp, prefix) && p.path != owner {
				broken = append(broken, fmt.Sprintf("%s imports %s, which only package %s may know", f.name, imp, owner))
			}
		}
	}
	return broken
}

func oneClientLibrary(p *pkg, f *file) []string {
	if !isLeaf(p.path) {
		return nil
	}
	var owners []string
	for _, imp := range f.imports {
		host, rest, _ := strings.Cut(imp, "/")
		if strings.Contains(host, ".") && host != "golang.org" && !strings.HasPrefix(imp, module) && !strings.HasPrefix(imp, transport) {
			owner, _, _ := strings.Cut(rest, "/")
			owners = append(owners, host+"/"+owner)
		}
	}
	slices.Sort(owners)
	if owners = slices.Compact(owners); len(owners) > 1 {
		return []string{fmt.Sprintf("%s imports %s: a leaf uses one client library", f.name, strings.Join(owners, " and "))}
	}
	return nil
}

func staysPure(p *pkg, f *file) (broken []string) {
	if !slices.Contains(pure, p.path) {
		return nil
	}
	for _, imp := range f.imports {
		if root, _, _ := strings.Cut(imp, "/"); slices.Contains(pureForbids, root) && imp != "net/netip" {
			broken = append(broken, fmt.Sprintf("%s imports %s: package %s is pure", f.name, imp, p.path))
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if stmt, is := n.(*ast.GoStmt); is {
			broken = append(broken, fmt.Sprintf("%s starts a goroutine: package %s is pure", f.at(stmt), p.path))
		}
		return true
	})
	return broken
}

func packageDoc(p *pkg) []string {
	for _, f := range p.files {
		text := ""
		if f.ast.Doc != nil && !f.test {
			text = strings.Join(strings.Fields(f.ast.Doc.Text()), " ")
		}
		first := new(doc.Package).Synopsis(text)
		if first != "" && len(text) > len(first)+1 {
			return nil
		}
	}
	return []string{fmt.Sprintf("package %s has no package comment of two sentences or more: say what it is for and what it is not", p.path)}
}

func packageName(p *pkg) []string {
	if slices.Contains(words(forbiddenNames), path.Base(p.path)) {
		return []string{fmt.Sprintf("package %s has a name that says nothing: name it after what it holds", p.path)}
	}
	return nil
}

func folderDepth(p *pkg) []string {
	if strings.Count(p.path, "/")+1 > maxDepth {
		return []string{fmt.Sprintf("package %s lies deeper than %d folders", p.path, maxDepth)}
	}
	return nil
}

func noInit(_ *pkg, f *file) (broken []string) {
	for _, d := range f.ast.Decls {
		if fn, is := d.(*ast.FuncDecl); is && fn.Name.Name == "init" && fn.Recv == nil {
			broken = append(broken, f.at(fn)+" has func init: name it in a visible list instead")
		}
	}
	return broken
}

func fileLength(_ *pkg, f *file) []string {
	if f.lines > maxFileLines && !f.generated {
		return []string{fmt.Sprintf("%s has %d lines, over %d: split it by meaning", f.name, f.lines, maxFileLines)}
	}
	return nil
}

func funcLength(_ *pkg, f *file) (broken []string) {
	for _, d := range f.ast.Decls {
		fn, is := d.(*ast.FuncDecl)
		if !is {
			continue
		}
		if n := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1; n > maxFuncLines {
			broken = append(broken, fmt.Sprintf("%s: %s has %d lines, over %d", f.at(fn), fn.Name.Name, n, maxFuncLines))
		}
	}
	return broken
}

func smallInterfaces(_ *pkg, f *file) (broken []string) {
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if i, is := n.(*ast.InterfaceType); is && i.Methods.NumFields() > maxMethods {
			broken = append(broken, fmt.Sprintf("%s: an interface of %d methods, over %d: split it by who needs what",
				f.at(i), i.Methods.NumFields(), maxMethods))
		}
		return true
	})
	return broken
}

func hasDesign(p *pkg) []string {
	design := path.Join(p.path, "DESIGN.md")
	if slices.Contains(designed, p.path) && !exists(design) {
		return []string{design + " is missing: say why the package is built so, and what was not chosen"}
	}
	return nil
}

// pathInText finds backquoted paths: something with a slash in it, or a file of a kind the module holds.
var pathInText = regexp.MustCompile("`([a-zA-Z0-9_.][a-zA-Z0-9_./-]*(?:/[a-zA-Z0-9_.-]*|\\.(?:go|md|sh)))`")

func architecturePage(page string, packages []string, exists func(string) bool) (broken []string) {
	for _, m := range pathInText.FindAllStringSubmatch(page, -1) {
		if !exists(path.Clean(m[1])) {
			broken = append(broken, architecture+" names "+m[1]+", which does not exist")
		}
	}
	for _, p := range packages {
		if p != "." && !strings.Contains(page, "`"+p+"`") {
			broken = append(broken, architecture+" does not name the package "+p)
		}
	}
	return broken
}

// pkg is one folder with Go files; path is relative to the module, "." for its root.
type pkg struct {
	path  string
	files []*file
}

type file struct {
	name            string // path relative to the module
	lines           int
	test, generated bool
	imports         []string
	ast             *ast.File
	fset            *token.FileSet
}

func (f *file) at(n ast.Node) string {
	return f.name + ":" + strconv.Itoa(f.fset.Position(n.Pos()).Line)
}

// loadModule parses every Go file below the current folder, whatever its build constraints: the rules hold on every system.
func loadModule(t *testing.T) []*pkg {
	t.Helper()
	var pkgs []*pkg
	byPath := map[string]*pkg{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() && name != "." && (base[0] == '.' || base[0] == '_' || base == "testdata" || base == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		f, err := parse(fset, filepath.ToSlash(name), src)
		if err != nil {
			return err
		}
		dir := path.Dir(f.name)
		if byPath[dir] == nil {
			byPath[dir] = &pkg{path: dir}
			pkgs = append(pkgs, byPath[dir])
		}
		byPath[dir].files = append(byPath[dir].files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pkgs
}

func parse(fset *token.FileSet, name string, src []byte) (*file, error) {
	parsed, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	f := &file{
		name:      name,
		lines:     bytes.Count(src, []byte("\n")),
		test:      strings.HasSuffix(name, "_test.go"),
		generated: bytes.HasPrefix(src, []byte(generatedMarker)),
		ast:       parsed,
		fset:      fset,
	}
	for _, imp := range parsed.Imports {
		p, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: import %s: %w", name, imp.Path.Value, err)
		}
		f.imports = append(f.imports, p)
	}
	return f, nil
}

func report(t *testing.T, broken []string) {
	t.Helper()
	for _, b := range broken {
		t.Error(b)
	}
}

func exists(name string) bool {
	_, err := os.Stat(filepath.FromSlash(name))
	return err == nil
}

func words(list string) []string { return strings.Fields(list) }
