import { useState } from 'react'
import { path, post } from '../../api/client'
import { every } from '../../api/hooks'
import { Link, useParams } from '../../app/router'
import { Button } from '../../components/Button'
import { Confirm } from '../../components/Dialog'
import { Search } from '../../components/Field'
import { Card, Page } from '../../components/Page'
import { ServerTable, type Column } from '../../components/Table'
import { useText } from '../../i18n/i18n'
import { text } from './text'

interface Row {
  clientid: string
  topic: string
  qos: number
  node: string
}

const filters = ['topic', '_match_topic', 'clientid', 'share', 'qos'] as const

export default function Subscriptions() {
  const t = useText(text)
  const [params, setParams] = useParams()
  const [removing, remove] = useState<Row>()
  const query = Object.fromEntries(filters.map((f) => [f, params.get(f) ?? '']))
  const field = (filter: (typeof filters)[number], label: string) => (
    <Search label={label} value={query[filter] ?? ''} onChange={(v) => setParams({ [filter]: v, page: undefined })} />
  )

  const columns: Column<Row>[] = [
    { id: 'clientid', head: t.clientid, cell: (s) => <Link to={path`/clients/${s.clientid}` + '?tab=subscriptions'}>{s.clientid}</Link> },
    { id: 'topic', head: t.filter, cell: (s) => <code>{s.topic}</code> },
    { id: 'qos', head: t.qos, kind: 'number', cell: (s) => s.qos },
    { id: 'node', head: t.node, cell: (s) => s.node, wideOnly: true },
    {
      id: 'remove',
      head: '',
      kind: 'actions',
      cell: (s) => <Button look="ghost" small write icon="trash" title={t.remove} aria-label={`${t.remove}: ${s.clientid} ${s.topic}`} onClick={() => remove(s)} />,
    },
  ]

  return (
    <Page title={t.title} lead={t.lead}>
      <Card flush>
        <div className="toolbar">
          {field('_match_topic', t.match)}
          {field('topic', t.topic)}
          {field('clientid', t.clientid)}
          {field('share', t.share)}
          <select aria-label={t.qos} value={query.qos} onChange={(e) => setParams({ qos: e.target.value, page: undefined })}>
            <option value="">{t.anyQoS}</option>
            <option value="0">QoS 0</option>
            <option value="1">QoS 1</option>
            <option value="2">QoS 2</option>
          </select>
        </div>
        <ServerTable
          route="/subscriptions"
          query={query}
          refresh={every.list}
          caption={t.title}
          columns={columns}
          rowKey={(s) => `${s.clientid} ${s.topic}`}
          empty={t.none}
        />
      </Card>
      {removing && (
        <Confirm
          title={t.removeTitle(removing.clientid)}
          submit={t.remove}
          act={() => post('/mqtt/unsubscribe', { clientid: removing.clientid, topic: removing.topic })}
          done={t.removed}
          stale={['/subscriptions']}
          onClose={() => remove(undefined)}
        >
          {t.removeText(removing.topic)}
        </Confirm>
      )}
    </Page>
  )
}
