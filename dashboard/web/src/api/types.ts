// Shapes of answers that more than one page reads. What one page alone reads is declared there.

/** A node of the cluster; of one that is down nothing else is known. */
export type Member = Node | { node: string; node_status: 'Stopped' }

export interface Node {
  node: string
  node_status: 'Running'
  version: string
  otp_release: string
  uptime: string
  /** Sizes as EMQ X writes them: "1.52G". */
  memory_total: string
  memory_used: string
  process_used: number
  process_available: number
  max_fds: number
  /** Clients, those that are away included. */
  connections: number
  live_connections: number
  load1: string
  load5: string
  load15: string
}

export interface NodeStats {
  node: string
  stats: Record<string, number>
}

export interface NodeMetrics {
  node: string
  metrics: Record<string, number>
}

export interface Alarm {
  name: string
  message: string
  details: Record<string, unknown> | string
  /** Unix microseconds. */
  activate_at: number
  /** Unix microseconds; "infinity" while it is active. */
  deactivate_at: number | 'infinity'
  activated: boolean
}

export interface NodeAlarms {
  node: string
  alarms: Alarm[]
}

export interface Health {
  /** A sentence each. */
  warnings: string[]
  backends: {
    name: string
    up: boolean
    /** Unix seconds. */
    since: number
    /** The last one; empty: none. */
    error: string
    waiting: number
    busy: number
  }[]
}

type SeriesName =
  | 'connections'
  | 'sessions'
  | 'subscriptions'
  | 'received_rate'
  | 'sent_rate'
  | 'dropped_rate'
  | 'latency_p50_ms'
  | 'latency_p99_ms'
  | 'cpu_percent'
  | 'memory_bytes'

export interface History {
  interval_ms: number
  /** Oldest first; null: no figure. */
  series: Record<SeriesName, (number | null)[]>
  /** Unix milliseconds of the newest. */
  last_at: number
}
