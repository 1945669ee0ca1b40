import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'

export interface Settings {
  url: string
  clientId: string
  username: string
  password: string
  keepalive: number
  version: 4 | 5
  clean: boolean
}

export interface Message {
  key: number
  at: number
  out: boolean
  topic: string
  payload: Uint8Array
  qos: number
  retain: boolean
}

export type State = 'closed' | 'connecting' | 'connected'

/** Why a connection ended, for the page to put in words. */
export type End = { kind: 'refused' | 'ended'; why: string } | { kind: 'unreachable' | 'lost' }

export interface Events {
  state: (s: State) => void
  end: (e: End) => void
  message: (m: Message) => void
}

let lastKey = 0
export const nextKey = (): number => ++lastKey

/** Connects once: what a test tool shows should not be hidden by connecting again and again. */
export function open(s: Settings, on: Events): MqttClient {
  const client = mqtt.connect(s.url, options(s))
  let was: State = 'connecting'
  let told = false
  const become = (state: State) => on.state((was = state))
  const end = (e: End) => {
    if (!told) on.end(e)
    told = true
    client.end(true)
  }
  become('connecting')
  client.on('connect', () => become('connected'))
  client.on('message', (topic, payload, packet) =>
    on.message({ key: nextKey(), at: Date.now(), out: false, topic, payload, qos: packet.qos, retain: packet.retain }),
  )
  client.on('disconnect', (packet) => end({ kind: 'ended', why: reason(packet.reasonCode ?? 0) }))
  client.on('error', (e) => {
    const code = (e as { code?: unknown }).code
    end(typeof code === 'number' ? { kind: 'refused', why: reason(code) } : { kind: 'unreachable' })
  })
  client.on('close', () => {
    if (!client.disconnecting) end({ kind: was === 'connected' ? 'lost' : 'unreachable' })
    become('closed')
  })
  return client
}

function options(s: Settings): IClientOptions {
  return {
    clientId: s.clientId,
    protocolVersion: s.version,
    keepalive: s.keepalive,
    clean: s.clean,
    reconnectPeriod: 0,
    connectTimeout: 10_000,
    resubscribe: false,
    timerVariant: 'native', // another would be a worker from a blob, which the Content-Security-Policy forbids
    ...(s.username && { username: s.username }),
    ...(s.password && { password: s.password }),
    ...(s.version === 5 && !s.clean && { properties: { sessionExpiryInterval: 3600 } }),
  }
}

// The codes that a client meets, of MQTT 3.1.1 (1 to 5) and 5.0.
const reasons: Record<number, string> = {
  0: 'normal disconnection',
  1: 'unacceptable protocol version',
  2: 'client id rejected',
  3: 'server unavailable',
  4: 'bad user name or password',
  5: 'not authorized',
  0x82: 'protocol error',
  0x84: 'unsupported protocol version',
  0x85: 'client id not valid',
  0x86: 'bad user name or password',
  0x87: 'not authorized',
  0x88: 'server unavailable',
  0x89: 'server busy',
  0x8a: 'banned',
  0x8b: 'server shutting down',
  0x8d: 'keep alive timeout',
  0x8e: 'session taken over',
  0x90: 'topic name invalid',
  0x93: 'receive maximum exceeded',
  0x95: 'packet too large',
  0x97: 'quota exceeded',
  0x98: 'administrative action',
  0x9c: 'use another server',
  0x9d: 'server moved',
  0x9f: 'connection rate exceeded',
}

/** What a reason code says, with its number. */
export function reason(code: number): string {
  const number = `0x${code.toString(16).padStart(2, '0')}`
  return reasons[code] ? `${reasons[code]} (${number})` : number
}

/** The address of the broker's WebSocket listener, as a browser reaches it from this page; undefined: it has none. */
export function addressOf(listeners: readonly { protocol: string; listen_on: string }[], page: { protocol: string; hostname: string }): string | undefined {
  // From a page of https, a browser lets nobody use ws.
  const kinds = page.protocol === 'https:' ? ['mqtt:wss'] : ['mqtt:ws', 'mqtt:wss']
  for (const kind of kinds) {
    const found = listeners.find((l) => l.protocol === kind)
    const port = found && /(\d+)$/.exec(found.listen_on)?.[1]
    if (port) return `${kind.slice('mqtt:'.length)}://${page.hostname}:${port}/mqtt`
  }
  return undefined
}
