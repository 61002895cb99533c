// Command exported finds identifiers that are exported for nobody: no other package
// names them. Tests in a package of their own, which see a package from outside,
// count; tests within it do not. It is run at the root of the workspace and takes the
// patterns of packages; those named with -public are a contract and not looked at.
//
// Used are also: what satisfies an interface, fields with a tag and names in
// templates, which are reached by reflection, the types in the signature of what is
// used, all constants of a group and all fields of a struct of which one is.
package main

import (
	"flag"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	tags := flag.String("tags", "", "build tags")
	public := flag.String("public", "", "import path, with all below it, of a contract")
	flag.Parse()
	lines, err := find(*public, *tags, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	for _, l := range lines {
		fmt.Fprintln(os.Stderr, l)
	}
	if len(lines) > 0 {
		os.Exit(1)
	}
	fmt.Println("exported: ok")
}

// finder holds the declared and the used identifiers by the position of their
// declaration: the test variant of a package has objects of its own.
type finder struct {
	fset      *token.FileSet
	declared  map[string]types.Object
	groups    map[string][]string // of constants and fields
	used      map[string]bool
	templates map[string]bool
	ifaces    []*types.Interface
}

func find(public, tags string, patterns []string) ([]string, error) {
	f := finder{
		fset: token.NewFileSet(), declared: map[string]types.Object{}, groups: map[string][]string{},
		used: map[string]bool{}, templates: map[string]bool{},
	}
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.LoadSyntax | packages.NeedModule | packages.NeedForTest,
		Fset: f.fset, Tests: true, BuildFlags: []string{"-tags=" + tags},
	}, patterns...)
	if err != nil {
		return nil, err
	}
	if packages.PrintErrors(loaded) > 0 {
		return nil, fmt.Errorf("packages do not compile")
	}
	seen := map[*types.Package]bool{}
	for _, p := range loaded {
		f.uses(p)
		f.interfaces(p.Types, seen)
	}
	for _, p := range loaded {
		if p.ForTest == "" && p.Name != "main" && (public == "" || !strings.HasPrefix(p.PkgPath, public)) {
			f.declare(p)
		}
		if p.Module != nil {
			f.readTemplates(filepath.Dir(p.GoFiles[0]))
		}
	}
	return f.unused(), nil
}

func (f *finder) at(o types.Object) string { return f.fset.Position(o.Pos()).String() }

// uses notes what p names of other packages. What a method or a field belongs to
// does not matter: the object is that of its declaration.
func (f *finder) uses(p *packages.Package) {
	own := strings.TrimSuffix(p.PkgPath, "_test")
	for _, o := range p.TypesInfo.Uses {
		if o.Pkg() == nil || o.Pkg().Path() == own && !strings.HasSuffix(p.PkgPath, "_test") {
			continue
		}
		f.used[f.at(origin(o))] = true
	}
	for _, tv := range p.TypesInfo.Types {
		if i, ok := tv.Type.(*types.Interface); ok && i.NumMethods() > 0 {
			f.ifaces = append(f.ifaces, i)
		}
	}
}

func origin(o types.Object) types.Object {
	switch o := o.(type) {
	case *types.Func:
		return o.Origin()
	case *types.Var:
		return o.Origin()
	}
	return o
}

func (f *finder) interfaces(p *types.Package, seen map[*types.Package]bool) {
	if seen[p] {
		return
	}
	seen[p] = true
	for _, name := range p.Scope().Names() {
		if t, ok := p.Scope().Lookup(name).(*types.TypeName); ok {
			if i, ok := t.Type().Underlying().(*types.Interface); ok && i.NumMethods() > 0 {
				f.ifaces = append(f.ifaces, i)
			}
		}
	}
	for _, q := range p.Imports() {
		f.interfaces(q, seen)
	}
}

func (f *finder) declare(p *packages.Package) {
	add := func(o types.Object) {
		if o.Exported() {
			f.declared[f.at(o)] = o
		}
	}
	for _, name := range p.Types.Scope().Names() {
		o := p.Types.Scope().Lookup(name)
		add(o)
		t, ok := o.(*types.TypeName)
		if !ok || t.IsAlias() {
			continue
		}
		named := t.Type().(*types.Named)
		for m := range named.Methods() {
			if !f.satisfies(named, m) {
				add(m)
			}
		}
		if s, ok := named.Underlying().(*types.Struct); ok && t.Exported() {
			var all []string
			for i := range s.NumFields() {
				if v := s.Field(i); v.Exported() && s.Tag(i) == "" && !v.Embedded() {
					add(v)
					all = append(all, f.at(v))
				}
			}
			f.group(all)
		}
	}
	for _, file := range p.Syntax {
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			var all []string
			for _, s := range g.Specs {
				for _, n := range s.(*ast.ValueSpec).Names {
					all = append(all, f.fset.Position(n.Pos()).String())
				}
			}
			f.group(all)
		}
	}
}

func (f *finder) group(all []string) {
	for _, one := range all {
		f.groups[one] = all
	}
}

// satisfies reports whether an interface asks for the method of t, or of a type
// that embeds t. What package errors asks for stands in no declaration.
func (f *finder) satisfies(t *types.Named, method *types.Func) bool {
	if slices.Contains([]string{"Is", "As", "Unwrap"}, method.Name()) {
		return true
	}
	return slices.ContainsFunc(f.ifaces, func(i *types.Interface) bool {
		for m := range i.Methods() {
			if m.Name() == method.Name() {
				return types.Identical(m.Type(), method.Type()) || types.Implements(types.NewPointer(t), i)
			}
		}
		return false
	})
}

var (
	action = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	member = regexp.MustCompile(`\.([A-Z]\w*)`)
)

// readTemplates notes the members that the templates in dir and below name.
func (f *finder) readTemplates(dir string) {
	for _, pattern := range []string{"*.go", "templates/*"} {
		files, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, file := range files {
			text, _ := os.ReadFile(file)
			for _, a := range action.FindAllString(string(text), -1) {
				for _, m := range member.FindAllStringSubmatch(a, -1) {
					f.templates[m[1]] = true
				}
			}
		}
	}
}

func (f *finder) unused() []string {
	for at, o := range f.declared {
		if f.templates[o.Name()] && !isPackageLevel(o) {
			f.used[at] = true
		}
		if f.used[at] {
			for _, one := range f.groups[at] {
				f.used[one] = true
			}
		}
	}
	for more := true; more; {
		more = false
		for at, o := range f.declared {
			if !f.used[at] {
				continue
			}
			for _, t := range named(o.Type()) {
				if p := f.at(t); !f.used[p] {
					f.used[p], more = true, true
				}
			}
		}
	}
	wd, _ := os.Getwd()
	var lines []string
	for at, o := range f.declared {
		if !f.used[at] {
			rel, _ := filepath.Rel(wd, at)
			lines = append(lines, fmt.Sprintf("%s: %s is exported for nobody", rel, o.Name()))
		}
	}
	slices.Sort(lines)
	return lines
}

func isPackageLevel(o types.Object) bool { return o.Parent() == o.Pkg().Scope() }

// named returns the named types that t is written with.
func named(t types.Type) []types.Object {
	switch t := t.(type) {
	case *types.Named:
		found := []types.Object{t.Obj()}
		if s, ok := t.Underlying().(*types.Struct); ok {
			for v := range s.Fields() {
				if v.Exported() {
					found = append(found, outer(v.Type())...)
				}
			}
		}
		for a := range t.TypeArgs().Types() {
			found = append(found, outer(a)...)
		}
		if s, ok := t.Underlying().(*types.Signature); ok {
			found = append(found, named(s)...)
		}
		return found
	case *types.Signature:
		var found []types.Object
		for p := range t.TypeParams().TypeParams() {
			found = append(found, outer(p.Constraint())...)
		}
		for v := range t.Params().Variables() {
			found = append(found, outer(v.Type())...)
		}
		for v := range t.Results().Variables() {
			found = append(found, outer(v.Type())...)
		}
		return found
	}
	return outer(t)
}

// outer is named without a look inside of the type.
func outer(t types.Type) []types.Object {
	switch t := t.(type) {
	case *types.Named:
		found := []types.Object{t.Obj()}
		for a := range t.TypeArgs().Types() {
			found = append(found, outer(a)...)
		}
		return found
	case *types.Map:
		return append(outer(t.Key()), outer(t.Elem())...)
	case interface{ Elem() types.Type }:
		return outer(t.Elem())
	case *types.Signature:
		return named(t)
	}
	return nil
}
