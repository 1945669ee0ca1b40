package node

import (
	"slices"

	"github.com/dunlin-mq/dunlin/config"
)

// keysLater are the keys of features this version does not have. The part that brings a feature takes its keys from
// here into a Config of its own; a key declared twice is an error of the schema.
func keysLater() []config.Known {
	return slices.Concat(
		keysCore(), keysGateways(), keysIntegration(), keysEnterprise(),
	)
}

func later(feature, table string) []config.Known {
	return config.NoEffect(config.Later, "this version has no "+feature+" yet", table)
}

// keysCore are keys of emqx.conf.
func keysCore() []config.Known {
	return slices.Concat(
		later("TCP keepalive settings per zone", `
			zone.$name.tcp_keepalive
		`),
		later("OCSP stapling and these checks of client certificates", `
			listener.{ssl,wss}.$name.{partial_chain,verify_peer_ext_key_usage}
			listener.{ssl,wss}.$name.enable_ocsp_stapling       flag
			listener.{ssl,wss}.$name.{ocsp_responder_url,ocsp_issuer_pem}
			listener.{ssl,wss}.$name.{ocsp_refresh_interval,ocsp_refresh_http_timeout} duration
		`),
		later("compression of WebSocket frames", `
			listener.{ws,wss}.$name.compress                    flag
			listener.{ws,wss}.$name.deflate_opts.level          oneof none default best_compression best_speed
			listener.{ws,wss}.$name.deflate_opts.mem_level      int 1..9
			listener.{ws,wss}.$name.deflate_opts.strategy       oneof default filtered huffman_only rle
			listener.{ws,wss}.$name.deflate_opts.{server,client}_context_takeover oneof takeover no_takeover
			listener.{ws,wss}.$name.deflate_opts.{server,client}_max_window_bits  int 8..15
		`),
	)
}

// keysGateways are emqx_sn.conf, emqx_coap.conf, emqx_lwm2m.conf, emqx_stomp.conf, emqx_exproto.conf and emqx_tcp.conf.
func keysGateways() []config.Known {
	return slices.Concat(
		later("MQTT-SN gateway", `
			mqtt.sn.port                                        address
			mqtt.sn.{advertise_duration,idle_timeout}           duration | int
			mqtt.sn.gateway_id                                  int 0..255
			mqtt.sn.{enable_stats,enable_qos3,subs_resume}      flag
			mqtt.sn.predefined.topic.$id
			mqtt.sn.{username,password}
		`),
		later("CoAP gateway", `
			coap.{port,dtls.port}                               address
			coap.keepalive                                      duration
			coap.enable_stats                                   flag
			coap.bind.{udp,dtls}.$n                             address
		`),
		later("LwM2M gateway", `
			lwm2m.port                                          address
			lwm2m.{certfile,keyfile,lb,mountpoint,xml_dir}
			lwm2m.{lifetime_min,lifetime_max,qmode_time_window} duration | int
			lwm2m.auto_observe
			lwm2m.update_msg_publish_condition                  oneof contains_object_list always
			lwm2m.topics.{command,response,notify,register,update}
			lwm2m.bind.{udp,dtls}.$n                            address
			lwm2m.opts.{buffer,recbuf,sndbuf}                   size
			lwm2m.opts.read_packets                             int 1..
		`),
		later("CoAP and LwM2M gateways", `
			{coap,lwm2m}.dtls.{keyfile,certfile,cacertfile}
			{coap,lwm2m}.dtls.verify                            oneof verify_peer verify_none
			{coap,lwm2m}.dtls.fail_if_no_peer_cert              flag
			{coap,lwm2m}.dtls.{ciphers,psk_ciphers}             list
		`),
		later("STOMP gateway", `
			stomp.listener                                      address
			stomp.listener.{acceptors,max_connections}          int 1..
			stomp.listener.{ssl,fail_if_no_peer_cert,secure_renegotiate,reuse_sessions,honor_cipher_order} flag
			stomp.listener.{keyfile,certfile,cacertfile,dhfile}
			stomp.listener.verify                               oneof verify_peer verify_none
			stomp.listener.{tls_versions,ciphers}               list
			stomp.listener.handshake_timeout                    duration
			stomp.default_user.{login,passcode}
			stomp.allow_anonymous                               flag
			stomp.frame.{max_headers,max_header_length,max_body_length} int 1..
		`),
		later("ExProto gateway", `
			exproto.server.{http,https}.port                    int 0..65535
			exproto.server.https.{cacertfile,certfile,keyfile}
			exproto.listener.$name
			exproto.listener.$name.{connection_handler_url,connection_handler_certfile,connection_handler_cacertfile,connection_handler_keyfile}
			exproto.listener.$name.{acceptors,max_connections,max_conn_rate,active_n,backlog} int 1..
			exproto.listener.$name.{idle_timeout,proxy_protocol_timeout,send_timeout,handshake_timeout} duration
			exproto.listener.$name.{proxy_protocol,send_timeout_close,tune_buffer,reuseaddr,nodelay} flag
			exproto.listener.$name.{recbuf,sndbuf,buffer}       size
			exproto.listener.$name.access.$id
			exproto.listener.$name.{keyfile,certfile,cacertfile,verify,dhfile}
			exproto.listener.$name.{fail_if_no_peer_cert,reuse_sessions,honor_cipher_order,secure_renegotiate} flag
			exproto.listener.$name.{tls_versions,ciphers,psk_ciphers} list
		`),
		later("gateway for private TCP protocols", `
			tcp.proto.{up_topic,dn_topic}
			tcp.proto.idle_timeout                              duration
			tcp.proto.max_packet_size                           size
			tcp.proto.enable_stats                              flag
			tcp.proto.{force_gc_policy,force_shutdown_policy}   counts | oneof default
			tcp.listener.$name                                  address
			tcp.listener.$name.{acceptors,max_connections,max_conn_rate,active_n,backlog} int 1..
			tcp.listener.$name.access.$id
		`),
	)
}

// keysIntegration are emqx_web_hook.conf, emqx_exhook.conf, emqx_rule_engine.conf, emqx_bridge_mqtt.conf,
// emqx_prometheus.conf and emqx_statsd.conf.
func keysIntegration() []config.Known {
	return slices.Concat(
		later("web hook", `
			web.hook.{api.url,url}
			web.hook.{encode_payload,body.encoding_of_payload_field} oneof plain base64 base62 undefined
			web.hook.headers.$name
			web.hook.ssl.{cafile,cacertfile,certfile,keyfile,server_name_indication}
			web.hook.ssl.verify                                 flag
			web.hook.pool_size                                  int 1..
			web.hook.enable_pipelining                          flag | int
			web.hook.rule.{client,session,message}.$event.$n
		`),
		later("exhook", `
			exhook.request_failed_action                        oneof deny ignore
			exhook.request_timeout                              duration
			exhook.auto_reconnect                               duration | oneof false
			exhook.pool_size                                    int 1..
			exhook.hook_priority                                int
			exhook.server.$name.url
			exhook.server.$name.ssl.{cacertfile,certfile,keyfile}
			exhook.server.$name.socket_options.{keepalive,nodelay} flag
			exhook.server.$name.socket_options.{recbuf,sndbuf}  size
			exhook.drivers                                      list
			exhook.drivers.$name.{path,init_module}
			exhook.drivers.$name.call_timeout                   duration
		`),
		later("rule engine", `
			rule_engine.ignore_sys_message                      flag
			rule_engine.events.$event                           list
		`),
		later("bridge to other MQTT brokers", bridgeKeys("bridge.mqtt.$name")+bridgeKeys("bridge.$name")),
		later("push to Prometheus", `
			{statsd,prometheus}.push.gateway.server
			{statsd,prometheus}.interval                        int 1.. | duration
			{statsd,prometheus}.collector.$n
		`),
	)
}

// bridgeKeys are the keys of one MQTT bridge: below bridge.mqtt.$name, and below bridge.$name in 3.0 and 3.1.
func bridgeKeys(prefix string) string {
	table := ""
	for _, line := range []string{
		"{address,client_id,clientid,username,password,mountpoint,forward_mountpoint,receive_mountpoint}",
		"{cacertfile,certfile,keyfile,server_name_indication}",
		"proto_ver oneof mqttv3 mqttv4 mqttv5",
		"start_type oneof manual auto",
		"{bridge_mode,clean_start,ssl} flag",
		"verify flag | oneof verify_peer verify_none",
		"{forwards,ciphers,psk_ciphers,tls_versions} list",
		"subscription.$n.topic",
		"subscription.$n.qos int 0..2",
		"{keepalive,reconnect_interval,retry_interval} duration",
		"{batch_size,max_inflight,max_inflight_size,max_inflight_batches} int 0..",
		"queue.{batch_count_limit,batch_size} int 0..",
		"queue.mem_cache flag",
		"queue.{batch_bytes_limit,replayq_seg_bytes,max_total_size} size",
		"queue.replayq_dir",
	} {
		table += prefix + "." + line + "\n"
	}
	return table
}
