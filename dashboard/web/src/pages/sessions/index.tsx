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
import { count, duration, parseLocal } from '../../i18n/format'
import { useText } from '../../i18n/i18n'
import { forEver, type Client } from '../../api/clients'
import { text } from './text'

/** What can be shown, as filters of GET /clients. */
const kinds = {
  all: {},
  connected: { conn_state: 'connected' },
  away: { conn_state: 'disconnected' },
  waiting: { _gte_mqueue_len: 1 },
  dropping: { _gte_mqueue_dropped: 1 },
} as const
type Kind = keyof typeof kinds

export default function Sessions() {
  const t = useText(text)
  const [params, setParams] = useParams()
  const [ending, end] = useState<string>()
  const chosen = params.get('show') ?? ''
  const kind = chosen in kinds ? (chosen as Kind) : 'all'
  const like = params.get('_like_clientid') ?? ''

  const columns: Column<Client>[] = [
    { id: 'clientid', head: t.clientid, cell: (c) => <Link to={path`/clients/${c.clientid}`}>{c.clientid}</Link> },
    { id: 'state', head: t.state, cell: (c) => <Tag mood={c.connected ? 'good' : 'plain'}>{c.connected ? t.connected : t.away}</Tag>, wideOnly: true },
    { id: 'created', head: t.created, cell: (c) => <Time ms={parseLocal(c.created_at)} />, wideOnly: true },
    { id: 'expires', head: t.expires, cell: (c) => <Expiry client={c} />, wideOnly: true },
    { id: 'subscriptions', head: t.subscriptions, kind: 'number', cell: (c) => count(c.subscriptions_cnt) },
    { id: 'inflight', head: t.inflight, kind: 'number', cell: (c) => count(c.inflight) },
    { id: 'mqueue', head: t.mqueue, kind: 'number', cell: (c) => `${count(c.mqueue_len)} / ${c.max_mqueue ? count(c.max_mqueue) : '∞'}` },
    { id: 'awaiting', head: t.awaiting, kind: 'number', cell: (c) => count(c.awaiting_rel), wideOnly: true },
    { id: 'dropped', head: t.dropped, kind: 'number', cell: (c) => count(c.mqueue_dropped), wideOnly: true },
    {
      id: 'end',
      head: '',
      kind: 'actions',
      cell: (c) => <Button look="ghost" small write icon="trash" title={t.end} aria-label={`${t.end}: ${c.clientid}`} onClick={() => end(c.clientid)} />,
    },
  ]

  return (
    <Page title={t.title} lead={t.lead}>
      <Card flush>
        <div className="toolbar">
          <Search label={t.search} value={like} onChange={(v) => setParams({ _like_clientid: v, page: undefined })} />
          <select aria-label={t.show} value={kind} onChange={(e) => setParams({ show: e.target.value === 'all' ? undefined : e.target.value, page: undefined })}>
            {(Object.keys(kinds) as Kind[]).map((k) => (
              <option key={k} value={k}>
                {t[k]}
              </option>
            ))}
          </select>
        </div>
        <ServerTable
          route="/clients"
          query={{ _like_clientid: like, ...kinds[kind] }}
          refresh={every.list}
          caption={t.title}
          columns={columns}
          rowKey={(c) => c.clientid}
          empty={t.none}
        />
      </Card>
      {ending !== undefined && (
        <Confirm title={t.endTitle(ending)} submit={t.end} act={() => del(path`/clients/${ending}`)} done={t.ended} stale={['/clients']} onClose={() => end(undefined)}>
          {t.endText}
        </Confirm>
      )}
    </Page>
  )
}

/** When the session ends by itself. */
function Expiry({ client: c }: { client: Client }) {
  const t = useText(text)
  if (c.expiry_interval >= forEver) return t.never
  if (c.expiry_interval === 0) return t.atEnd
  const left = parseLocal(c.disconnected_at)
  return left === undefined || c.connected ? t.after(duration(c.expiry_interval)) : <Time ms={left + c.expiry_interval * 1000} />
}
