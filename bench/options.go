package bench

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// options is what the command line says; flags.go has the meaning of each.
type options struct {
	verb string

	host                   string // ADDRESS or ADDRESS:PORT, several with commas between
	port                   int
	publishAt, subscribeAt string   // the same, for one side
	returnAt               string   // the same, for subscribers that come back; empty: where they were
	brokers                []broker // all of these
	publishTo, subscribeTo []int    // indices of brokers, taken in turn
	returnTo               []int    // the same; empty: nobody changes
	version                mqtt.Version
	username, password     string
	keepAlive              uint16 // seconds
	clean                  bool
	sessionExpiry          uint32 // seconds
	prefix                 string // of client ids

	tls, ws                   bool
	wsPath                    string
	certFile, keyFile, caFile string
	ifaddr                    []string

	count, startNumber int
	interval           time.Duration // between two connections
	connRate           float64       // connections a second; overrides interval

	topic         string
	qos           mqtt.QoS
	retain        bool
	size          int // of the payload, bytes
	message       string
	intervalOfMsg time.Duration // between two messages of one publisher
	rate          float64       // messages a second of all publishers; overrides intervalOfMsg
	window        int           // messages on their way when neither limits the rate
	inflight      int           // unacknowledged messages of one publisher
	limit         uint64        // messages in all; 0: no limit
	wait          bool          // publish only when all are connected

	warmup, measure, hold, drain time.Duration

	publishers, subscribers, idle, topics int
	filter                                string
	filters                               int // per subscriber, filter "mixed"
	spread                                bool
	slow                                  int
	slowFor, killEvery                    time.Duration

	between string // command that an offline run executes before the sessions come back

	pids        []int
	json, quiet bool
}

// maxConnections and maxFilters bound what a slip of the finger can ask for.
const (
	maxConnections = 1_000_000
	maxFilters     = 10_000_000
)

// validate fills in what depends on other options and refuses what makes no
// sense, all of it at once.
func (o *options) validate() error {
	o.fillIn()
	var errs []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(o.port < 1 || o.port > 65535, "--port: expected 1 to 65535, got %d", o.port)
	if err := o.findBrokers(); err != nil {
		errs = append(errs, err)
	}
	refuse(o.version < mqtt.V31 || o.version > mqtt.V5, "--version: expected 3, 4 or 5, got %d", o.version)
	refuse(o.qos > 2, "--qos: expected 0, 1 or 2, got %d", o.qos)
	refuse(o.count < 1 || o.count > maxConnections, "--count: expected 1 to %d, got %d", maxConnections, o.count)
	refuse(o.startNumber < 0, "--startnumber: expected 0 or more, got %d", o.startNumber)
	refuse(o.connRate < 0 || o.rate < 0, "--conn-rate and --rate: expected 0 or more")
	refuse((o.certFile == "") != (o.keyFile == ""), "--certfile and --keyfile go together")
	refuse(!o.tls && (o.certFile != "" || o.caFile != ""), "--certfile, --keyfile and --cafile need -S")
	for _, pid := range o.pids {
		refuse(pid < 1, "--pid: expected process ids, got %d", pid)
	}
	if verbs[o.verb].publishes {
		refuse(o.size < 0 || o.size > 1<<28-1024, "--size: expected 0 to %d bytes, got %d", 1<<28-1024, o.size)
		refuse(o.inflight < 1 || o.inflight > 65535, "--inflight: expected 1 to 65535, got %d", o.inflight)
		refuse(o.window < 1, "--window: expected 1 or more, got %d", o.window)
		err := topic.ValidName(o.topic)
		refuse(err != nil, "-t %q: %w", o.topic, err)
	} else if verbs[o.verb].subscribes {
		_, err := topic.Parse(o.topic)
		refuse(err != nil, "-t %q: %w", o.topic, err)
	}
	if o.bothWays() {
		o.validateRoundtrip(refuse)
	}
	if verbs[o.verb].stored {
		o.validateOffline(refuse)
	}
	return errors.Join(errs...)
}

func (o *options) validateRoundtrip(refuse func(wrong bool, format string, args ...any)) {
	all := o.publishers + o.subscribers + o.idle
	refuse(o.publishers < 0 || o.subscribers < 0 || o.idle < 0 || all < 1 || all > maxConnections,
		"--publishers, --subscribers and --idle: expected 1 to %d together, got %d", maxConnections, all)
	refuse(o.topics < 1, "--topics: expected 1 or more, got %d", o.topics)
	refuse(o.size < stampSize, "--size: a round trip needs %d bytes or more for time and number, got %d", stampSize, o.size)
	refuse(o.message != "", "--message: a round trip makes its own payload")
	refuse(o.slow > 0 && o.filter != "all" && o.filter != "plus", "--slow needs --filter all or plus")
	refuse(o.slow < 0 || o.slow >= max(o.subscribers, 1), "--slow: expected fewer than the %d subscribers, got %d", o.subscribers, o.slow)
	refuse(o.filters < 1 || o.filters*max(o.subscribers, 1) > maxFilters, "--filters: expected 1 to %d in all", maxFilters)
	switch o.filter {
	case "own", "all", "plus", "shared", "mixed":
	default:
		refuse(true, "--filter: expected own, all, plus, shared or mixed, got %q", o.filter)
	}
}

func (o *options) validateOffline(refuse func(wrong bool, format string, args ...any)) {
	refuse(o.qos == 0, "--qos: expected 1 or 2, as nothing else is kept for who is away")
	refuse(o.subscribers == 0 || o.publishers == 0, "--publishers and --subscribers: expected 1 or more of each")
	refuse(o.sessionExpiry == 0 && o.version == mqtt.V5, "--session-expiry: expected 1 or more, got 0")
	refuse(o.filter == "shared" || o.filter == "mixed", "--filter: expected own, all or plus, got %q", o.filter)
	refuse(o.limit == 0, "--limit: expected 1 or more, got 0")
}

// bothWays reports whether the run takes back what it publishes.
func (o *options) bothWays() bool { return verbs[o.verb].publishes && verbs[o.verb].subscribes }

// addresses are the brokers as the command line may name them.
func (o *options) addresses() string {
	var names []string
	for _, b := range o.brokers {
		names = append(names, b.String())
	}
	return strings.Join(names, ", ")
}

func (o *options) fillIn() {
	if o.port == 0 {
		o.port = map[[2]bool]int{{false, false}: 1883, {true, false}: 8883, {false, true}: 8083, {true, true}: 8084}[[2]bool{o.tls, o.ws}]
	}
	if o.connRate == 0 && o.interval > 0 {
		o.connRate = float64(time.Second) / float64(o.interval)
	}
	if o.prefix == "" {
		o.prefix = fmt.Sprintf("bench%d", os.Getpid())
	}
	if o.message != "" && !o.bothWays() {
		o.size = len(o.message)
	}
	if o.limit > 0 {
		o.warmup = 0 // the messages that are counted are all that are sent
	}
	if !o.bothWays() {
		return
	}
	if o.publishers < 0 {
		o.publishers = o.count
	}
	if o.subscribers < 0 {
		o.subscribers = o.count
	}
	if o.topics == 0 {
		o.topics = max(o.subscribers, 1)
	}
}

// replace fills the placeholders of a topic or a user name for one client.
func (o *options) replace(template, clientID string, number int) string {
	if !strings.Contains(template, "%") {
		return template
	}
	return strings.NewReplacer("%i", fmt.Sprint(number), "%c", clientID, "%u", o.username).Replace(template)
}
