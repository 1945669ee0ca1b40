package api

import "fmt"

// ruleFile is the module that serves acl.conf, the only one that can be
// reloaded.
const ruleFile = "emqx_mod_acl_internal"

// moduleRoutes reload modules.
func (s *Server) moduleRoutes() []Route {
	if s.o.ReloadACL == nil {
		return nil
	}
	all := Route{
		Method: "PUT", Path: "/modules/:module/reload", Versions: V4, Name: "reload_module",
		Summary: "Read the rule file again, which module " + ruleFile + " stands for, and empty all ACL caches", spread: everywhere, handle: s.reloadModule,
	}
	return s.withNode(all)
}

func (s *Server) reloadModule(q *request) (any, error) {
	if module := q.path["module"]; module != ruleFile {
		return nil, failWithoutCode(fmt.Sprintf("Module: %q does not need to be reloaded.", module))
	}
	return nil, s.o.ReloadACL()
}
