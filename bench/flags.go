package bench

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/pflag"
)

// parse reads the arguments that follow a verb. pflag.ErrHelp means that help
// was asked for; it has been written to out.
func parse(verb string, args []string, out io.Writer) (*options, error) {
	o := &options{verb: verb}
	f := o.flags(out)
	if err := f.Parse(joinBooleans(f, args)); err != nil {
		return nil, err
	}
	if rest := f.Args(); len(rest) > 0 {
		return nil, fmt.Errorf("expected flags only, got %q", rest[0])
	}
	return o, o.validate()
}

// flags declares the flags that the verb knows, in the order help shows them.
func (o *options) flags(out io.Writer) *pflag.FlagSet {
	v := verbs[o.verb]
	f := pflag.NewFlagSet(o.verb, pflag.ContinueOnError)
	f.SortFlags = false
	f.SetOutput(out)
	f.Usage = func() {
		fmt.Fprintf(out, "dunlin bench %s: %s\n\n%s\n", o.verb, v.help, f.FlagUsagesWrapped(120))
	}
	o.connectionFlags(f)
	if v.subscribes || v.publishes {
		f.StringVarP(&o.topic, "topic", "t", v.topic, "topic; %i: the client's number, %c: its id, %u: its user name")
	}
	if v.stored {
		o.offlineFlags(f)
	} else if v.subscribes || v.publishes {
		f.Uint8VarP((*uint8)(&o.qos), "qos", "q", 0, "quality of service")
		f.Uint64VarP(&o.limit, "limit", "L", 0, "stop after so many messages in all; 0: no limit")
	}
	if v.publishes {
		o.paceFlags(f)
	}
	if v.publishes && !v.stored {
		o.publishFlags(f)
	}
	if v.publishes && v.subscribes {
		o.crowdFlags(f)
	}
	if v.publishes && v.subscribes && !v.stored {
		o.roundtripFlags(f)
	}
	if !v.stored {
		addSpan(f, &o.hold, 0, time.Second, "hold", "", "`seconds` to stay idle once all are connected")
		addSpan(f, &o.measure, v.seconds, time.Second, "seconds", "", "`seconds` to measure then; 0: until -L or Ctrl-C")
	}
	o.runFlags(f)
	return f
}

func (o *options) connectionFlags(f *pflag.FlagSet) {
	f.StringVarP(&o.host, "host", "h", "127.0.0.1", "the broker's `address`, or address:port; several with commas between take the\n"+
		"connections in turn")
	f.IntVarP(&o.port, "port", "p", 0, "its port; 0: 1883, with -S 8883, with --ws 8083, with both 8084")
	f.Uint8VarP((*uint8)(&o.version), "version", "V", 5, "MQTT version: 3 (3.1), 4 (3.1.1) or 5")
	f.IntVarP(&o.count, "count", "c", verbs[o.verb].count, "connections")
	f.IntVarP(&o.startNumber, "startnumber", "n", 0, "number of the first client")
	addSpan(f, &o.interval, 10*time.Millisecond, time.Millisecond, "interval", "i", "`ms` between two connections")
	f.Float64VarP(&o.connRate, "conn-rate", "R", 0, "connections a second; overrides -i")
	f.StringVarP(&o.username, "username", "u", "", "user name; %i: the client's number, %c: its id")
	f.StringVarP(&o.password, "password", "P", "", "password")
	f.Uint16VarP(&o.keepAlive, "keepalive", "k", 300, "keep alive, `seconds`")
	expiry := uint32(0)
	if verbs[o.verb].stored {
		expiry = 3600
	} else {
		f.BoolVarP(&o.clean, "clean", "C", true, "clean start; -C false keeps the sessions")
	}
	f.Uint32VarP(&o.sessionExpiry, "session-expiry", "x", expiry, "session expiry of version 5, `seconds`")
	f.StringVar(&o.prefix, "prefix", "", "client ids are PREFIX-ROLE-NUMBER; empty: bench and the process id")
	f.BoolVarP(&o.tls, "ssl", "S", false, "TLS")
	f.StringVar(&o.caFile, "cafile", "", "PEM `file` of the authorities that may vouch for the broker; none: nobody has to")
	f.StringVar(&o.certFile, "certfile", "", "PEM `file` of the clients' certificate")
	f.StringVar(&o.keyFile, "keyfile", "", "PEM `file` of its key")
	f.BoolVar(&o.ws, "ws", false, "WebSocket")
	f.StringVar(&o.wsPath, "ws-path", "/mqtt", "its `path`")
	f.StringSliceVar(&o.ifaddr, "ifaddr", nil, "local `addresses` to connect from, in turn, with commas between")
}

// paceFlags say how large messages are and how fast they come.
func (o *options) paceFlags(f *pflag.FlagSet) {
	pace := time.Second
	if verbs[o.verb].stored {
		pace = 0
	}
	f.IntVarP(&o.size, "size", "s", 256, "payload, `bytes`; from 16 on it carries time and number")
	addSpan(f, &o.intervalOfMsg, pace, time.Millisecond, "interval_of_msg", "I", "`ms` between two messages of one publisher; 0: as fast as --window allows")
	f.Float64Var(&o.rate, "rate", 0, "messages a second of all publishers together; overrides -I")
	f.IntVar(&o.window, "window", 1000, "with -I 0: messages on their way at most")
	f.IntVarP(&o.inflight, "inflight", "F", 100, "unacknowledged messages of one publisher at most")
}

func (o *options) publishFlags(f *pflag.FlagSet) {
	v := verbs[o.verb]
	f.StringVarP(&o.message, "message", "m", "", "payload as given, instead of -s")
	f.BoolVarP(&o.retain, "retain", "r", false, "publish retained messages")
	f.BoolVarP(&o.wait, "wait-before-publishing", "w", v.subscribes, "publish only when all are connected")
	addSpan(f, &o.warmup, v.warmup, time.Second, "warmup", "", "`seconds` of publishing before the measurement; none with -L")
}

// offlineFlags are those whose defaults differ from the other verbs', and its
// own.
func (o *options) offlineFlags(f *pflag.FlagSet) {
	f.Uint8VarP((*uint8)(&o.qos), "qos", "q", 1, "quality of service, 1 or 2")
	f.Uint64VarP(&o.limit, "limit", "L", 1000, "messages to publish, in all")
	f.StringVar(&o.between, "between", "", "`command` for sh to run when all is published and nobody is connected, to restart the broker say")
}

// crowdFlags say who publishes to whom.
func (o *options) crowdFlags(f *pflag.FlagSet) {
	f.IntVar(&o.publishers, "publishers", -1, "publishing connections; -1: as -c says")
	f.IntVar(&o.subscribers, "subscribers", -1, "subscribing connections; -1: as -c says")
	f.StringVar(&o.publishAt, "publish-at", "", "`addresses` of the brokers for publishers, instead of --host")
	f.StringVar(&o.subscribeAt, "subscribe-at", "", "`addresses` of the brokers for subscribers, instead of --host")
	if verbs[o.verb].stored {
		f.StringVar(&o.returnAt, "return-at", "", "`addresses` of the brokers that subscribers come back to, in turn; without it they come\n"+
			"back to where they were")
	}
	f.IntVar(&o.topics, "topics", 0, "`N` topics TOPIC/0 to TOPIC/N-1, publisher i uses i mod N; 0: one a subscriber")
	shared := "or shared: $share/g/TOPIC/#, or mixed: --filters of its own, half of them TOPIC/+/x/NUMBER/#"
	if verbs[o.verb].stored {
		shared = ""
	}
	f.StringVar(&o.filter, "filter", "own", "a subscriber takes `own`: TOPIC/(i mod N), all: TOPIC/#, plus: TOPIC/+\n"+shared)
	f.BoolVar(&o.spread, "spread", false, "publishers use all topics in turn")
	if verbs[o.verb].stored {
		o.filters = 1
	} else {
		f.IntVar(&o.filters, "filters", 1, "filters of one subscriber with --filter mixed")
	}
}

func (o *options) roundtripFlags(f *pflag.FlagSet) {
	f.IntVar(&o.idle, "idle", 0, "idle connections beside them, each subscribed to TOPIC-idle/NUMBER")
	f.IntVar(&o.slow, "slow", 0, "subscribers that stop reading when the measurement begins")
	addSpan(f, &o.slowFor, 8*time.Second, time.Second, "slow-seconds", "", "`seconds` for which they do not read")
	addSpan(f, &o.killEvery, 0, time.Second, "kill-every", "", "cut one subscriber's connection every so many `seconds`; it comes back at once")
}

func (o *options) runFlags(f *pflag.FlagSet) {
	addSpan(f, &o.drain, 3*time.Second, time.Second, "drain", "", "`seconds` without a sign of what is missing after which it is lost")
	f.IntSliceVar(&o.pids, "pid", nil, "process `ids` of the broker: report its CPU time and memory (Linux)")
	f.BoolVar(&o.json, "json", false, "print one JSON object at the end and nothing else")
	f.BoolVar(&o.quiet, "quiet", false, "no line a second")
}

// span is a flag that counts a duration in a unit of its own.
type span struct {
	d    *time.Duration
	unit time.Duration
}

func addSpan(f *pflag.FlagSet, d *time.Duration, def, unit time.Duration, name, short, usage string) {
	*d = def
	f.VarP(&span{d, unit}, name, short, usage)
}

func (s *span) String() string {
	if s.d == nil {
		return "0"
	}
	return strconv.FormatFloat(float64(*s.d)/float64(s.unit), 'g', -1, 64)
}

func (s *span) Type() string { return "number" }

func (s *span) Set(text string) error {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v < 0 || v > 1e9 {
		return fmt.Errorf("expected a number of %v from 0 to 1e9", s.unit)
	}
	*s.d = time.Duration(v * float64(s.unit))
	return nil
}

// joinBooleans turns "-C false" into "-C=false": emqtt-bench takes the value
// of a boolean as a word of its own, and scripts written for it do so.
func joinBooleans(f *pflag.FlagSet, args []string) []string {
	joined := make([]string, 0, len(args))
	for _, arg := range args {
		if last := len(joined) - 1; last >= 0 && (arg == "true" || arg == "false") && isBoolean(f, joined[last]) {
			joined[last] += "=" + arg
			continue
		}
		joined = append(joined, arg)
	}
	return joined
}

func isBoolean(f *pflag.FlagSet, arg string) bool {
	var flag *pflag.Flag
	switch {
	case len(arg) == 2 && arg[0] == '-' && arg[1] != '-':
		flag = f.ShorthandLookup(arg[1:])
	case len(arg) > 2 && arg[:2] == "--":
		flag = f.Lookup(arg[2:])
	}
	return flag != nil && flag.Value.Type() == "bool"
}
