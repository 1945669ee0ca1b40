import { none } from '../i18n/format'

/** A row of GET /clients, as far as it is shown. */
export interface Client {
  node: string
  clientid: string
  username: string
  mountpoint: string
  zone: string
  is_bridge: boolean
  ip_address: string
  port: number
  proto_name: string
  proto_ver: number
  connected: boolean
  connected_at: string
  created_at: string
  disconnected_at?: string
  keepalive: number
  clean_start: boolean
  /** Seconds; 4294967295 stands for ever. */
  expiry_interval: number
  subscriptions_cnt: number
  max_subscriptions: number
  inflight: number
  max_inflight: number
  awaiting_rel: number
  max_awaiting_rel: number
  mqueue_len: number
  max_mqueue: number
  mqueue_dropped: number
  recv_cnt: number
  recv_oct: number
  recv_pkt: number
  recv_msg: number
  send_cnt: number
  send_oct: number
  send_pkt: number
  send_msg: number
}

/** A text of EMQ X's, which writes "undefined" where there is none. */
export function known(s: string | undefined): string {
  return s === undefined || s === '' || s === 'undefined' ? none : s
}

/** MQTT 3.1.1 and so on. */
export function protocol(c: Pick<Client, 'proto_name' | 'proto_ver'>): string {
  const version = { 3: '3.1', 4: '3.1.1', 5: '5.0' }[c.proto_ver] ?? String(c.proto_ver)
  return `${c.proto_name === 'MQIsdp' ? 'MQTT' : c.proto_name} ${version}`
}

/** An address to connect to: IPv6 stands in brackets. */
export function address(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

export const forEver = 0xffffffff
