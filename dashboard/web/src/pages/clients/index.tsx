import { useState } from 'react'
import { del, path } from '../../api/client'
import { every } from '../../api/hooks'
import { Link, useParams } from '../../app/router'
import { Button } from '../../components/Button'
import { Confirm } from '../../components/Dialog'
import { Search } from '../../components/Field'
import { Card, Page } from '../../components/Page'
import { Tag, Time } from '../../components/Small'
import { ServerTable, type Column } from '../../components/Table'
import { count, parseLocal } from '../../i18n/format'
import { useText } from '../../i18n/i18n'
import { address, known, protocol, type Client } from '../../api/clients'
import { text } from './text'

const filters = ['_like_clientid', '_like_username', 'ip_address', 'conn_state', 'proto_ver'] as const

export default function Clients() {
  const t = useText(text)
  const [params, setParams] = useParams()
  const [marked, mark] = useState<ReadonlySet<string>>(new Set())
  const [asking, ask] = useState(false)
  const query = Object.fromEntries(filters.map((f) => [f, params.get(f) ?? '']))
  const filtered = Object.values(query).some(Boolean)
  const choose = (filter: (typeof filters)[number], value: string) => setParams({ [filter]: value, page: undefined })
  const field = (filter: (typeof filters)[number], label: string) => <Search label={label} value={query[filter] ?? ''} onChange={(v) => choose(filter, v)} />

  const columns: Column<Client>[] = [
    { id: 'state', head: t.state, cell: (c) => <Tag mood={c.connected ? 'good' : 'plain'}>{c.connected ? t.connected : t.away}</Tag> },
    { id: 'clientid', head: t.clientid, cell: (c) => <Link to={path`/clients/${c.clientid}`}>{c.clientid}</Link> },
    { id: 'username', head: t.username, cell: (c) => known(c.username), wideOnly: true },
    { id: 'node', head: t.node, cell: (c) => c.node, wideOnly: true },
    { id: 'from', head: t.from, cell: (c) => <code>{address(c.ip_address, c.port)}</code>, wideOnly: true },
    { id: 'protocol', head: t.protocol, cell: protocol, wideOnly: true },
    { id: 'since', head: t.since, cell: (c) => <Time ms={parseLocal(c.connected ? c.connected_at : c.disconnected_at)} />, wideOnly: true },
    { id: 'subscriptions', head: t.subscriptions, kind: 'number', cell: (c) => count(c.subscriptions_cnt) },
    { id: 'mqueue', head: t.mqueue, kind: 'number', cell: (c) => count(c.mqueue_len) },
    { id: 'dropped', head: t.dropped, kind: 'number', cell: (c) => count(c.mqueue_dropped), wideOnly: true },
  ]

  return (
    <Page
      title={t.title}
      lead={t.lead}
      actions={
        marked.size > 0 && (
          <Button look="danger" write onClick={() => ask(true)}>
            {t.kickMany(marked.size)}
          </Button>
        )
      }
    >
      <Card flush>
        <div className="toolbar">
          {field('_like_clientid', t.searchID)}
          {field('_like_username', t.searchName)}
          {field('ip_address', t.address)}
          <select aria-label={t.state} value={query.conn_state} onChange={(e) => choose('conn_state', e.target.value)}>
            <option value="">{t.any}</option>
            <option value="connected">{t.connected}</option>
            <option value="disconnected">{t.away}</option>
          </select>
          <select aria-label={t.version} value={query.proto_ver} onChange={(e) => choose('proto_ver', e.target.value)}>
            <option value="">{t.anyVersion}</option>
            <option value="5">MQTT 5.0</option>
            <option value="4">MQTT 3.1.1</option>
            <option value="3">MQTT 3.1</option>
          </select>
        </div>
        <ServerTable
          route="/clients"
          query={query}
          refresh={every.list}
          caption={t.title}
          columns={columns}
          rowKey={(c) => c.clientid}
          selection={[marked, mark]}
          empty={filtered ? t.none : t.nobody}
        />
      </Card>
      {asking && (
        <Confirm
          title={t.kickMany(marked.size)}
          submit={t.kick}
          act={() => Promise.all([...marked].map((id) => del(path`/clients/${id}`)))}
          done={t.kicked}
          stale={['/clients']}
          onDone={() => mark(new Set())}
          onClose={() => ask(false)}
        >
          {t.kickText}
        </Confirm>
      )}
    </Page>
  )
}
