package node

import (
	"slices"

	"github.com/dunlin-mq/dunlin/config"
)

// keysRuntime are the keys of EMQ X that concern its own program and runtime. Files that set them start unchanged; the
// report says that nothing follows from them.
func keysRuntime() []config.Known {
	return slices.Concat(
		config.NoEffect(config.Runtime, "it is a limit or setting of the Erlang runtime", `
			node.heartbeat                                      flag
			node.async_threads                                  int 0..1024
			node.{process_limit,max_ports,max_ets_tables}       int 1..
			node.{fullsweep_after,backtrace_depth}              int 0..
			node.dist_buffer_size                               size
			node.global_gc_interval                             duration
			node.crash_dump
			sysmon.{long_gc,long_schedule}                      duration | int
			sysmon.large_heap                                   size
			sysmon.{busy_port,busy_dist_port}                   flag
			vm_mon.check_interval                               duration
			vm_mon.{process_high_watermark,process_low_watermark} percent
			zone.$name.force_gc_policy                          counts | oneof none
			zone.$name.force_shutdown_policy                    counts | oneof default none
			recon.gc_interval                                   duration
			reloader.interval                                   duration | int
			reloader.logfile
		`),
		config.NoEffect(config.Runtime, "nodes reach each other by Dunlin's own transport, always with TLS; cluster.listen and cluster.door are its ports", `
			{cluster,node}.proto_dist                           oneof inet_tcp inet6_tcp inet_tls
			cluster.mcast.buffer                                size
			node.dist_net_ticktime                              duration | int
			node.{dist_listen_min,dist_listen_max}              int 0..65535
			node.{dist_use_interface,ssl_dist_optfile}
			rpc.mode                                            oneof sync async
			rpc.port_discovery                                  oneof manual stateless
			rpc.{driver,default_client_driver}                  oneof tcp ssl
			rpc.{async_batch_size,socket_keepalive_count}       int 0..
			rpc.{tcp_server_port,tcp_client_port,ssl_server_port} int 0..65535
			rpc.tcp_client_num                                  int 0..255
			rpc.tcp_server_ip
			rpc.{connect_timeout,send_timeout,authentication_timeout,call_receive_timeout} duration
			rpc.{socket_keepalive_idle,socket_keepalive_interval} duration
			rpc.{socket_sndbuf,socket_recbuf,socket_buffer}     size
			rpc.{enable_ssl,insecure_fallback}
			rpc.{certfile,keyfile,cacertfile}
		`),
		config.NoEffect(config.Runtime, "the log is written by Dunlin's own logger", `
			log.primary_log_level                               oneof debug info notice warning error critical alert emergency all
			log.{sasl,logger_sasl_compatible,single_line}       flag
			log.{error_logger,supervisor_reports}
			log.{sync_mode_qlen,drop_mode_qlen,flush_qlen,overload_kill_qlen} int 0..
			log.overload_kill                                   flag
			log.overload_kill_mem_size                          size
			log.overload_kill_restart_after                     duration | oneof infinity
			log.burst_limit                                     rate | oneof disabled
			log.max_depth                                       int | oneof unlimited
		`),
		config.NoEffect(config.Runtime, "the transport decides it by itself", `
			listener.{tcp,ssl,ws,wss}.$name.{acceptors,active_n} int 1..
			listener.{tcp,ssl,ws,wss}.$name.buffer              size
			listener.{tcp,ssl,ws,wss}.$name.tune_buffer         flag
		`),
		config.NoEffect(config.Runtime, "it is always on", `
			listener.{tcp,ssl,ws,wss}.$name.{nodelay,reuseaddr} flag
		`),
		config.NoEffect(config.Runtime, "Go's TLS does not need it or decides it by itself", `
			listener.{ssl,wss}.$name.{secure_renegotiate,honor_cipher_order,gc_after_handshake} flag
			listener.{ssl,wss}.$name.dhfile
			listener.{ssl,wss}.$name.log_level
			listener.{ssl,wss}.$name.hibernate_after            duration
		`),
		config.NoEffect(config.Runtime, "what single clients send and get is always counted, which costs nothing", `
			zone.$name.enable_stats                             flag
		`),
		config.NoEffect(config.Runtime, "slow subscriptions are found by single messages, not by an average, as in EMQ X since 4.4.0", `
			zone.$name.latency_samples                          int 0..
		`),
		config.NoEffect(config.Runtime, "subscriptions and routes are kept another way", `
			broker.enable_session_registry                      flag
			broker.session_locking_strategy                     oneof local one leader quorum all
			broker.route_batch_clean                            flag
			broker.perf.route_lock_type                         oneof key tab global
			broker.perf.trie_compaction                         flag
		`),
		config.NoEffect(config.Runtime, "a shared message always goes to another member when its member goes away", `
			broker.shared_dispatch_ack_enabled                  flag
		`),
		config.NoEffect(config.Runtime, "plugin files are read from the folder plugins beside the configuration file, and every feature is built in", `
			plugins.{etc_dir,expand_plugins_dir}
		`),
		config.NoEffect(config.Runtime, "Go's HTTP server decides it by itself", `
			{management,dashboard}.listener.{http,https}.{acceptors,backlog} int 1..
			{management,dashboard}.listener.{http,https}.send_timeout       duration
			{management,dashboard}.listener.{http,https}.{send_timeout_close,inet6,ipv6_v6only} flag
			{management,dashboard}.listener.https.{dhfile,key_password}
			{management,dashboard}.listener.https.{secure_renegotiate,reuse_sessions,honor_cipher_order} flag
			{management,dashboard}.listener.https.ciphers                   list
			{management,dashboard}.listener.https.depth                     int 0..255
		`),
		config.NoEffect(config.Runtime, "what has passed its time is forgotten steadily", `
			flapping_clean_interval                             duration
		`),
		config.NoEffect(config.Runtime, "password_hash says it, as in EMQ X", `
			auth.pgsql.{pbkdf2_macfun,pbkdf2_iterations,pbkdf2_dklen}
		`),
		config.NoEffect(config.Runtime, "the driver has one pool and watches the servers in its own way", `
			auth.mongo.topology.{pool_size,max_overflow,overflow_ttl,overflow_check_period}          int 0..
			auth.mongo.topology.{socket_timeout_ms,wait_queue_timeout_ms,min_heartbeat_frequency_ms} int 0..
		`),
		config.NoEffect(config.Runtime, "a connection takes one request at a time", `
			auth.http.enable_pipelining                         int 0.. | flag
		`),
		config.NoEffect(config.Runtime, "what fails is not asked again before the client is answered", `
			auth.http.request.retry_interval                    duration | int
			auth.http.request.retry_times                       int 0..
			auth.http.request.retry_backoff                     float
		`),
		config.NoEffect(config.Runtime, "a client checks the server's certificate or doesn't", `
			auth.{http,ldap,mysql,pgsql,redis,mongo}.ssl.fail_if_no_peer_cert flag
		`),
		config.NoEffect(config.Runtime, "the broker is one process for all clients, which os_mon.sysmem_high_watermark watches over", `
			os_mon.procmem_high_watermark                       percent
		`),
		config.NoEffect(config.Runtime, "no licence is needed", `
			license.file
			license.{connection_high_watermark_alarm,connection_low_watermark_alarm} percent
		`),
		config.NoEffect(config.Runtime, "no telemetry is sent", `
			telemetry.enabled                                   flag
			telemetry.url
			telemetry.report_interval                           duration
		`),
	)
}
