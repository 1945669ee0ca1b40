import { Payload } from '../../components/Payload'
import { Tag } from '../../components/Small'
import { Table, type Column } from '../../components/Table'
import { clock } from '../../i18n/format'
import { useText } from '../../i18n/i18n'
import type { Message } from './connection'
import { text } from './text'

export function Messages({ all, note }: { all: readonly Message[]; note?: string | undefined }) {
  const t = useText(text)
  const columns: Column<Message>[] = [
    { id: 'at', head: t.at, cell: (m) => clock(m.at).slice('2026-01-01 '.length), wideOnly: true },
    { id: 'direction', head: t.direction, cell: (m) => <Tag mood={m.out ? 'plain' : 'info'}>{m.out ? t.out : t.in}</Tag> },
    { id: 'topic', head: t.topic, cell: (m) => <code>{m.topic}</code> },
    {
      id: 'qos',
      head: t.qos,
      cell: (m) => (
        <>
          {m.qos} {m.retain && <Tag>{t.retained}</Tag>}
        </>
      ),
    },
    { id: 'payload', head: t.payload, cell: (m) => <Payload bytes={m.payload} /> },
  ]
  return (
    <>
      <Table caption={t.messages} columns={columns} rows={all} rowKey={(m) => String(m.key)} empty={t.none} />
      {note && <p className="table-note">{note}</p>}
    </>
  )
}
