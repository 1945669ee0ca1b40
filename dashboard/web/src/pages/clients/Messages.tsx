import { path } from '../../api/client'
import { every } from '../../api/hooks'
import { Card } from '../../components/Page'
import { Payload } from '../../components/Payload'
import { ServerTable, type Column } from '../../components/Table'
import { bytes, milliseconds } from '../../i18n/format'
import { useText } from '../../i18n/i18n'
import { text } from './text'

/** A message that waits for a client; packet_id and state only where it was sent. */
interface Row {
  packet_id?: number
  state?: 'publish' | 'pubrel'
  topic: string
  qos: number
  retain: boolean
  priority?: number
  age_ms: number
  size: number
  payload: string
  truncated: boolean
}

/** What the client hasn't acknowledged, or hasn't got at all. */
export function Messages({ client, of }: { client: string; of: 'inflight' | 'mqueue' }) {
  const t = useText(text)
  const sent = of === 'inflight'
  const columns: Column<Row>[] = [
    ...(sent ? [{ id: 'id', head: t.packetID, kind: 'number', cell: (m) => m.packet_id } satisfies Column<Row>] : []),
    { id: 'topic', head: t.topic, cell: (m) => <code>{m.topic}</code> },
    { id: 'qos', head: t.qos, kind: 'number', cell: (m) => m.qos },
    sent
      ? { id: 'state', head: t.waitsFor, cell: (m) => (m.state === 'pubrel' ? 'PUBCOMP' : m.qos === 2 ? 'PUBREC' : 'PUBACK') }
      : { id: 'priority', head: t.priority, kind: 'number', cell: (m) => m.priority ?? 0, wideOnly: true },
    { id: 'age', head: t.age, kind: 'number', cell: (m) => milliseconds(m.age_ms) },
    { id: 'size', head: t.size, kind: 'number', cell: (m) => bytes(m.size), wideOnly: true },
    { id: 'payload', head: t.payload, cell: (m) => <Payload base64={m.payload} cut={m.truncated} /> },
  ]
  return (
    <Card flush title={sent ? t.inflightLead : t.mqueueLead}>
      <ServerTable
        key={of}
        route={path`/clients/${client}` + `/${of}`}
        refresh={every.live}
        caption={sent ? t.inflight : t.mqueue}
        columns={columns}
        rowKey={(m) => `${m.packet_id} ${m.topic} ${m.payload} ${m.age_ms}`}
        empty={sent ? t.nothingInflight : t.nothingQueued}
      />
    </Card>
  )
}
