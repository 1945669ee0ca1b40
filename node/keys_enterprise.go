package node

import (
	"slices"

	"github.com/dunlin-mq/dunlin/config"
)

// keysEnterprise are the bridges and backends of EMQ X Enterprise: emqx_bridge_*.conf and emqx_backend_*.conf. Rules
// are JSON and not looked into; durations are, in these files, also written with a capital S.
func keysEnterprise() []config.Known {
	return slices.Concat(
		later("bridge to Kafka, Pulsar and RocketMQ", `
			bridge.{kafka,pulsar,rocket}.servers                list
			bridge.{kafka,pulsar,rocket}.produce                oneof sync async
			bridge.{kafka,pulsar,rocket}.produce.sync_timeout
			bridge.{kafka,pulsar,rocket}.encode_payload_type    oneof base64 plain
			bridge.{kafka,pulsar,rocket}.sock.{buffer,recbuf,sndbuf} size
			bridge.{kafka,pulsar,rocket}.sock.read_packets      int 1..
			bridge.{kafka,pulsar,rocket}.hook.{client,session,message}.$event.$n
			bridge.{pulsar,rocket}.producer.batch_size          int 1..
			bridge.rocket.refresh_topic_route_interval
			bridge.kafka.connection_strategy                    oneof per_partition per_broker
			bridge.kafka.{min_metadata_refresh_interval,replayq_dir}
			bridge.kafka.producer.{replayq_seg_bytes,max_batch_bytes,min_batch_bytes} size
			bridge.kafka.producer.required_acks                 oneof all_isr leader_only none
			bridge.kafka.producer.{ack_timeout,partitioner,partition_strategy}
			bridge.kafka.producer.max_send_ahead                int 0..
			bridge.{kafka,pulsar}.producer.compression
		`),
		later("bridge to RabbitMQ", `
			bridge.rabbit.$n.{server,username,password,virtual_host}
			bridge.rabbit.$n.pool_size                          int 1..
			bridge.rabbit.$n.heartbeat                          int 0.. | duration
			bridge.rabbit.hook.{client,session,message}.$event.$n
		`),
		later("database backends", `
			backend.{redis,mysql,pgsql,mongo,cassa,dynamo,influxdb,opentsdb,timescale}.hook.{client,session,message}.$event.$n
			backend.{mysql,pgsql,mongo,cassa}.max_returned_count int 0..
			backend.{mysql,pgsql,mongo,cassa}.time_range        duration
			backend.{redis,mysql,pgsql,mongo,dynamo,influxdb,opentsdb,timescale}.$pool.server
			backend.{redis,mysql,pgsql,dynamo,influxdb,opentsdb,timescale}.$pool.pool_size int 1..
			backend.{redis,mysql,pgsql,mongo,timescale}.$pool.{database,password}
			backend.mysql.$pool.user
			backend.{pgsql,timescale}.$pool.username
			backend.{pgsql,mongo,timescale}.$pool.ssl           flag
			backend.{pgsql,mongo,timescale}.$pool.{keyfile,certfile,cacertfile}
			backend.redis.$pool.type                            oneof single sentinel cluster
			backend.redis.$pool.{sentinel,channel}
			backend.redis.sentinel
			backend.redis.msg.expired_after                     int 0.. | duration
			backend.mongo.$pool.type                            oneof single unknown sharded rs
			backend.mongo.$pool.srv_record                      flag
			backend.mongo.$pool.{rs_set_name,login,auth_source,w_mode,r_mode}
			backend.mongo.$pool.c_pool_size                     int 1..
			backend.mongo.topology.$name                        int 0..
			backend.ecql.$pool.{nodes,username,password,keyspace,logger}
			backend.ecql.$pool.{size,auto_reconnect}            int 0..
			backend.dynamo.region
			backend.dynamo.$pool.{aws_access_key_id,aws_secret_access_key}
			backend.influxdb.$pool.set_timestamp                flag
			backend.influxdb.$pool.common.write_protocol        oneof udp http
			backend.influxdb.$pool.common.batch_size            int 1..
			backend.influxdb.$pool.{udp,http}.host
			backend.influxdb.$pool.{udp,http}.port              int 0..65535
			backend.influxdb.$pool.http.{database,username,password,precision}
			backend.influxdb.$pool.http.https_enabled           flag
			backend.influxdb.$pool.http.ssl.{version,keyfile,certfile,cacertfile}
			backend.opentsdb.$pool.{summary,details,sync}       flag
			backend.opentsdb.$pool.{sync_timeout,max_batch_size} int 0..
		`),
	)
}
