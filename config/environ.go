package config

import (
	"slices"
	"strings"
)

// Environ returns the settings an environment (as os.Environ gives it) makes, lowest precedence first.
//
// DUNLIN_A__B__C=v sets the key a.b.c: the prefix goes, `__` becomes a dot, letters become small. EMQX_ does the same
// with less weight, and a key unknown behind it is reported instead of refused, since other programs use that
// prefix too. An empty value removes the key. Both prefixes also have the short names of EMQ X's start script and
// container (see shortNames).
func Environ(env []string) []Setting {
	var out []Setting
	for _, prefix := range []string{"EMQX_", "DUNLIN_"} {
		vars := make(map[string]string)
		for _, entry := range env {
			name, value, _ := strings.Cut(entry, "=")
			if suffix, ok := strings.CutPrefix(name, prefix); ok && suffix != "" && !ignored(suffix) {
				vars[suffix] = value
			}
		}
		out = append(out, environLayer(prefix, vars)...)
	}
	return out
}

func environLayer(prefix string, vars map[string]string) []Setting {
	var short, long []Setting
	add := func(to *[]Setting, name, key, value string) {
		*to = append(*to, Setting{Key: key, Value: value, Remove: value == "", Lax: prefix == "EMQX_",
			Origin: Origin{Source: prefix + name}})
	}
	if name, host := vars["NAME"], vars["HOST"]; name != "" || host != "" {
		variable := "NAME"
		if name == "" {
			name, variable = "emqx", "HOST"
		}
		if host == "" {
			host = "127.0.0.1"
		}
		add(&short, variable, "node.name", name+"@"+host)
	}
	names := shortNames()
	for _, name := range Names(vars) {
		if name == "NAME" || name == "HOST" {
			continue
		}
		if key, ok := names[name]; ok {
			add(&short, name, key, vars[name])
		} else {
			add(&long, name, strings.ToLower(strings.ReplaceAll(name, "__", ".")), vars[name])
		}
	}
	return slices.Concat(short, long)
}

// shortNames are variables that name a key without spelling it. NAME and HOST, which make node.name together, come
// on top.
func shortNames() map[string]string {
	return map[string]string{
		"NODE_NAME":       "node.name",
		"NODE_COOKIE":     "node.cookie",
		"MAX_PORTS":       "node.max_ports",
		"MAX_PACKET_SIZE": "mqtt.max_packet_size",
		"TCP_PORT":        "listener.tcp.external",
		"SSL_PORT":        "listener.ssl.external",
		"WS_PORT":         "listener.ws.external",
		"WSS_PORT":        "listener.wss.external",
		"ADMIN_PASSWORD":  "dashboard.default_user.password",
	}
}

// ignored lists the variables behind our prefixes that are not configuration: for start scripts and containers, and
// those Kubernetes and Docker make for a service named like us.
func ignored(suffix string) bool {
	switch suffix {
	case "CONFIG", // names the file; the program reads it
		"WAIT_FOR_ERLANG", "WAIT_FOR_START", "WAIT_FOR_STOP", // seconds a start script waits
		"PORT", "SERVICE_HOST", "SERVICE_PORT": // tcp://10.0.0.1:1883 and its parts, for a service named dunlin or emqx
		return true
	}
	if strings.HasPrefix(suffix, "SERVICE_PORT_") {
		return true
	}
	rest, ok := strings.CutPrefix(suffix, "PORT_") // PORT_1883_TCP, PORT_1883_TCP_ADDR
	return ok && rest != "" && rest[0] >= '0' && rest[0] <= '9'
}
