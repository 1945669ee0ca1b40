package server

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/config"
)

// Listeners is listener.* of a configuration: any number of each kind, by
// name.
type Listeners struct {
	TCP  map[string]TCPListener  `conf:"tcp.$name"`
	SSL  map[string]SSLListener  `conf:"ssl.$name"`
	WS   map[string]WSListener   `conf:"ws.$name"`
	WSS  map[string]WSSListener  `conf:"wss.$name"`
	QUIC map[string]QUICListener `conf:"quic.$name"`
}

// The kinds of listeners differ in the options they take.
type (
	TCPListener struct{ Listener }
	SSLListener struct {
		Listener
		TLS
	}
	WSListener struct {
		Listener
		WS
	}
	WSSListener struct {
		Listener
		TLS
		WS
	}
	QUICListener struct {
		Listener
		TLS
	}
)

// Listener is what all kinds have: listener.<kind>.<name>, whose own value is
// the address, and the keys below it.
type Listener struct {
	Address config.Address `conf:"."`
	Zone    string         `conf:"zone"` // "" means the zone named like the listener, if there is one

	MaxConnections int         `conf:"max_connections" range:"1.."`
	MaxConnRate    int         `conf:"max_conn_rate" range:"0.."` // a second; 0 means no limit
	RateLimit      config.Rate `conf:"rate_limit"`                // bytes read from one connection

	Access map[string]AccessRule `conf:"access.$id"` // see Rules

	ProxyProtocol        config.Flag   `conf:"proxy_protocol"`
	ProxyProtocolTimeout time.Duration `conf:"proxy_protocol_timeout"`

	Backlog          int           `conf:"backlog" range:"1.."`
	SendTimeout      time.Duration `conf:"send_timeout"` // with output waiting and nothing taken
	SendTimeoutClose config.Flag   `conf:"send_timeout_close"`
	RecBuf           config.Bytes  `conf:"recbuf"` // SO_RCVBUF and SO_SNDBUF; 0 leaves the system's
	SndBuf           config.Bytes  `conf:"sndbuf"`
	HighWatermark    config.Bytes  `conf:"high_watermark" range:"1.."` // output waiting for one connection

	// PeerCertAsUsername and PeerCertAsClientID take a part of the client's
	// certificate for the field of CONNECT. Without TLS the common name may
	// come from PROXY protocol version 2.
	PeerCertAsUsername string `conf:"peer_cert_as_username" oneof:"cn dn crt pem md5"`
	PeerCertAsClientID string `conf:"peer_cert_as_clientid" oneof:"cn dn crt pem md5"`
}

// AccessRule lets an address in or not: `allow all`, `deny 192.0.2.0/24`.
type AccessRule struct {
	Allow bool
	Net   netip.Prefix // not valid for all addresses
}

// TLS is what ssl, wss and quic listeners have besides.
type TLS struct {
	Versions         []string      `conf:"tls_versions" oneof:"tlsv1.3 tlsv1.2 tlsv1.1 tlsv1"` // empty means 1.2 and 1.3
	PSKCiphers       []string      `conf:"psk_ciphers"`                                        // refused
	Ciphers          []string      `conf:"ciphers"`                                            // names of OpenSSL; for TLS 1.2 only
	HandshakeTimeout time.Duration `conf:"handshake_timeout"`

	// A listener without KeyFile and CertFile uses the certificate made at the
	// first start.
	KeyFile     string `conf:"keyfile"`
	KeyPassword string `conf:"key_password"`
	CertFile    string `conf:"certfile"`

	CACertFile       string      `conf:"cacertfile"` // who signs the clients' certificates
	Verify           string      `conf:"verify" oneof:"verify_peer verify_none"`
	FailIfNoPeerCert config.Flag `conf:"fail_if_no_peer_cert"`
	Depth            int         `conf:"depth" range:"0..255"` // certificates between the client's and the root
	ReuseSessions    config.Flag `conf:"reuse_sessions"`

	// EnableCRLCheck refuses client certificates that a revocation list of
	// CRLURLs names. A URL may be a file.
	EnableCRLCheck  config.Flag   `conf:"enable_crl_check"`
	CRLURLs         []string      `conf:"crl_cache_urls"`
	CRLHTTPTimeout  time.Duration `conf:"crl_cache_http_timeout"`
	CRLRefreshEvery time.Duration `conf:"crl_cache_refresh_interval"`

	// SNI holds other certificates, by the name a client asks for. EMQ X has no
	// such keys.
	SNI map[string]Certificate `conf:"sni.$host"`
}

// Certificate is a pair of PEM files.
type Certificate struct {
	KeyFile  string `conf:"keyfile"`
	CertFile string `conf:"certfile"`
}

// WS is what ws and wss listeners have besides.
type WS struct {
	Path string `conf:"mqtt_path"`

	// FailIfNoSubprotocol refuses clients that offer none of Subprotocols.
	FailIfNoSubprotocol config.Flag `conf:"fail_if_no_subprotocol" alias:"verify_protocol_header"`
	Subprotocols        []string    `conf:"supported_subprotocols"`

	// ProxyAddressHeader and ProxyPortHeader name the headers that hold the
	// client's address behind a proxy; "" trusts none.
	ProxyAddressHeader string `conf:"proxy_address_header"`
	ProxyPortHeader    string `conf:"proxy_port_header"`

	Piggyback    string        `conf:"mqtt_piggyback" oneof:"single multiple"` // packets per frame sent
	IdleTimeout  time.Duration `conf:"idle_timeout"`                           // without a frame
	MaxFrameSize config.Bytes  `conf:"max_frame_size"`                         // 0 means no limit but that of packets

	CheckOrigin        config.Flag `conf:"check_origin_enable"`
	AllowOriginAbsence config.Flag `conf:"allow_origin_absence"`
	Origins            []string    `conf:"check_origins"`
}

// SetDefaults gives the values of a configuration that says nothing.
func (l *Listener) SetDefaults() {
	l.MaxConnections = 1024000
	l.ProxyProtocolTimeout = 3 * time.Second
	l.Backlog, l.SendTimeout, l.SendTimeoutClose = 1024, 15*time.Second, true
	l.HighWatermark = config.MB
}

// SetDefaults gives the values of a configuration that says nothing.
func (t *TLS) SetDefaults() {
	t.HandshakeTimeout, t.Verify, t.Depth, t.ReuseSessions = 15*time.Second, "verify_none", 10, true
	t.CRLHTTPTimeout, t.CRLRefreshEvery = 15*time.Second, 15*time.Minute
}

// SetDefaults gives the values of a configuration that says nothing.
func (w *WS) SetDefaults() {
	w.Path, w.FailIfNoSubprotocol, w.Piggyback = "/mqtt", true, "multiple"
	// The last is what clients of MQTT 3.1 offer, MQTT.js and Paho among them.
	w.Subprotocols = []string{"mqtt", "mqtt-v3", "mqtt-v3.1.1", "mqtt-v5", "mqttv3.1"}
	w.IdleTimeout, w.AllowOriginAbsence = 2*time.Hour, true
}

// Off reports that the listener has no address.
func (l *Listener) Off() bool { return l.Address.Off() }

// Validate checks what no single value shows.
func (t *TLS) Validate() error {
	var errs []error
	errs = append(errs, pair("", t.CertFile, t.KeyFile))
	for _, host := range config.Names(t.SNI) {
		c := t.SNI[host]
		key := config.Key("sni", host) + "."
		if errs = append(errs, pair(key, c.CertFile, c.KeyFile)); c.CertFile == "" && c.KeyFile == "" {
			errs = append(errs, config.Invalid(key+"certfile", "expected a certificate for this name"))
		}
	}
	if t.Verify == "verify_peer" && t.CACertFile == "" {
		errs = append(errs, config.Invalid("verify", "verify_peer needs a cacertfile to check clients' certificates against"))
	}
	if t.FailIfNoPeerCert && t.Verify != "verify_peer" {
		errs = append(errs, config.Invalid("fail_if_no_peer_cert", "needs verify = verify_peer, or no certificate is asked for"))
	}
	if t.EnableCRLCheck && len(t.CRLURLs) == 0 {
		errs = append(errs, config.Invalid("enable_crl_check", "needs crl_cache_urls to read revocation lists from"))
	}
	if len(t.PSKCiphers) > 0 { // without them the listener would let in who has no key
		errs = append(errs, config.Invalid("psk_ciphers", "TLS with pre-shared keys is not available: remove the key, or end TLS in front of the broker"))
	}
	if len(t.Versions) > 0 && !slices.Contains(t.Versions, "tlsv1.2") && !slices.Contains(t.Versions, "tlsv1.3") {
		errs = append(errs, config.Invalid("tls_versions", "expected tlsv1.2 or tlsv1.3 among them; older versions are not spoken"))
	}
	return errors.Join(errs...)
}

func pair(prefix, cert, key string) error {
	switch {
	case cert != "" && key == "":
		return config.Invalid(prefix+"certfile", "needs a keyfile as well")
	case cert == "" && key != "":
		return config.Invalid(prefix+"keyfile", "needs a certfile as well")
	}
	return nil
}

// Validate checks what no single value shows.
func (w *WS) Validate() error {
	if !strings.HasPrefix(w.Path, "/") {
		return config.Invalid("mqtt_path", "expected a path that begins with /, found %q", w.Path)
	}
	if w.CheckOrigin && len(w.Origins) == 0 {
		return config.Invalid("check_origin_enable", "needs check_origins to compare with")
	}
	return nil
}

// UnmarshalText reads `allow` or `deny`, then `all`, an address or a network.
func (r *AccessRule) UnmarshalText(text []byte) error {
	verb, who, _ := strings.Cut(string(text), " ")
	rule, err := AccessRule{Allow: verb == "allow"}, error(nil)
	switch who = strings.TrimSpace(who); {
	case who == "all":
	case strings.Contains(who, "/"):
		rule.Net, err = netip.ParsePrefix(who)
	default:
		var addr netip.Addr
		if addr, err = netip.ParseAddr(who); err == nil {
			rule.Net = netip.PrefixFrom(addr, addr.BitLen())
		}
	}
	if err != nil || verb != "allow" && verb != "deny" {
		return config.Expected("allow or deny, then all or a network such as 192.0.2.0/24", string(text))
	}
	*r = rule
	return nil
}

// String returns what UnmarshalText reads.
func (r AccessRule) String() string {
	verb, who := "deny", "all"
	if r.Allow {
		verb = "allow"
	}
	if r.Net.IsValid() {
		who = r.Net.String()
	}
	return verb + " " + who
}

// Rules returns the access rules in the order they are tried.
func (l *Listener) Rules() AccessRules {
	var rules AccessRules
	for _, id := range config.Names(l.Access) {
		rules = append(rules, l.Access[id])
	}
	return rules
}

// AccessRules are tried in order; the first that matches decides.
type AccessRules []AccessRule

// Allow reports whether a connection from addr is let in: without a rule that
// matches it is.
func (rules AccessRules) Allow(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, r := range rules {
		if !r.Net.IsValid() || r.Net.Contains(addr) {
			return r.Allow
		}
	}
	return true
}

// Named is one listener of any kind: what its kind does not have is nil.
type Named struct {
	Kind, Name string // "tcp", "external"
	*Listener
	TLS *TLS
	WS  *WS
}

// Key returns the key of the listener, "listener.tcp.external".
func (n *Named) Key() string { return config.Key("listener", n.Kind, n.Name) }

// All returns the listeners of every kind in the order of kinds and names.
func (ls *Listeners) All() []Named {
	var all []Named
	for _, name := range config.Names(ls.TCP) {
		l := ls.TCP[name]
		all = append(all, Named{"tcp", name, &l.Listener, nil, nil})
	}
	for _, name := range config.Names(ls.SSL) {
		l := ls.SSL[name]
		all = append(all, Named{"ssl", name, &l.Listener, &l.TLS, nil})
	}
	for _, name := range config.Names(ls.WS) {
		l := ls.WS[name]
		all = append(all, Named{"ws", name, &l.Listener, nil, &l.WS})
	}
	for _, name := range config.Names(ls.WSS) {
		l := ls.WSS[name]
		all = append(all, Named{"wss", name, &l.Listener, &l.TLS, &l.WS})
	}
	for _, name := range config.Names(ls.QUIC) {
		l := ls.QUIC[name]
		all = append(all, Named{"quic", name, &l.Listener, &l.TLS, nil})
	}
	return all
}
