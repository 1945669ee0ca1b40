import { useState } from 'react'
import { del } from '../../api/client'
import { every, useGet } from '../../api/hooks'
import { Link } from '../../app/router'
import { Button } from '../../components/Button'
import { Confirm, Dialog } from '../../components/Dialog'
import { Icon } from '../../components/Icon'
import { Card, Grid } from '../../components/Page'
import { Code, Stat, Tag, Time } from '../../components/Small'
import { Empty, Loaded } from '../../components/States'
import { Table, type Column } from '../../components/Table'
import { count, percent, short } from '../../i18n/format'
import { useText } from '../../i18n/i18n'
import { reasons, text } from './text'

interface Top {
  clients: { clientid: string; count: number }[]
  topics: { topic: string; count: number }[]
}

interface Accounts {
  /** Unix milliseconds. */
  since: number
  published: number
  matched: number
  redispatched: number
  moved_in: number
  moved_out: number
  delivered: number
  queued: number
  dropped: Record<string, number>
  messages_dropped: Record<string, number>
  /** 0: nothing is lost. */
  balance: number
  /** Since when the tops are counted, Unix milliseconds. */
  top_since: number
  top: Record<string, Top>
}

export function Ledger() {
  return <Loaded query={useGet<Accounts>('/accounting', { refresh: every.live })}>{({ data }) => <Books accounts={data} />}</Loaded>
}

const sum = (of: Record<string, number>) => Object.values(of).reduce((all, n) => all + n, 0)

function Books({ accounts: a }: { accounts: Accounts }) {
  const t = useText(text)
  const [who, setWho] = useState<string>()
  const [forgetting, setForgetting] = useState(false)
  const top = who === undefined ? undefined : a.top[who]
  return (
    <>
      <Equation accounts={a} />
      <Grid of="halves">
        <Card
          title={t.whyDropped}
          flush
          actions={
            <Button small look="ghost" write onClick={() => setForgetting(true)}>
              {t.forgetTop}
            </Button>
          }
        >
          <Reasons caption={t.whyDropped} counts={a.dropped} unit={t.deliveries} top={a.top} onWho={setWho} />
        </Card>
        <Card title={t.whyMessages} flush>
          <Reasons caption={t.whyMessages} counts={a.messages_dropped} unit={t.messages} top={a.top} onWho={setWho} />
        </Card>
      </Grid>
      {who !== undefined && <Who reason={who} top={top ?? { clients: [], topics: [] }} since={a.top_since} onClose={() => setWho(undefined)} />}
      {forgetting && <Forget onClose={() => setForgetting(false)} />}
    </>
  )
}

/** The equation as tiles with signs between them. */
function Equation({ accounts: a }: { accounts: Accounts }) {
  const t = useText(text)
  const term = (name: string, n: number, note: string) => (
    <Stat name={name} value={<span title={count(n)}>{short(n)}</span>} note={note} />
  )
  return (
    <Card
      title={
        <>
          {t.since} <Time ms={a.since} exact />
        </>
      }
      actions={
        <span className="muted">
          {t.published}: <b className="number">{count(a.published)}</b>
        </span>
      }
    >
      <div className="equation">
        {term(t.matched, a.matched, t.matchedNote)}
        <i>+</i>
        {term(t.redispatched, a.redispatched, t.redispatchedNote)}
        {a.moved_in + a.moved_out > 0 && (
          <>
            <i>+</i>
            {term(t.movedIn, a.moved_in, t.movedInNote)}
          </>
        )}
        <i>=</i>
        {term(t.delivered, a.delivered, t.deliveredNote)}
        <i>+</i>
        {term(t.queued, a.queued, t.queuedNote)}
        <i>+</i>
        {term(t.dropped, sum(a.dropped), t.droppedNote)}
        {a.moved_in + a.moved_out > 0 && (
          <>
            <i>+</i>
            {term(t.movedOut, a.moved_out, t.movedOutNote)}
          </>
        )}
      </div>
      <div className={`notice ${a.balance === 0 ? 'good' : 'warn'}`}>
        <Icon name={a.balance === 0 ? 'check' : 'warn'} />
        <p>{a.balance === 0 ? t.balanced : t.unbalanced(count(a.balance))}</p>
      </div>
    </Card>
  )
}

interface ReasonsProps {
  caption: string
  counts: Record<string, number>
  unit: string
  top: Record<string, Top>
  onWho: (reason: string) => void
}

function Reasons({ caption, counts, unit, top, onWho }: ReasonsProps) {
  const t = useText(text)
  const meanings = useText(reasons) as Record<string, string>
  const all = sum(counts)
  const rows = Object.entries(counts)
    .filter(([, n]) => n > 0)
    .toSorted((a, b) => b[1] - a[1])
  const columns: Column<(typeof rows)[number]>[] = [
    {
      id: 'reason',
      head: t.reason,
      sort: ([reason]) => reason,
      cell: ([reason]) => (
        <>
          <Tag>{reason}</Tag> <span className="muted">{meanings[reason]}</span>
        </>
      ),
    },
    { id: 'n', head: unit, kind: 'number', sort: ([, n]) => n, cell: ([, n]) => count(n) },
    { id: 'share', head: t.share, kind: 'number', wideOnly: true, cell: ([, n]) => percent((100 * n) / all) },
    {
      id: 'who',
      head: t.who,
      kind: 'actions',
      cell: ([reason]) =>
        top[reason] && (
          <Button small look="ghost" onClick={() => onWho(reason)}>
            {t.who}
          </Button>
        ),
    },
  ]
  return <Table caption={caption} columns={columns} rows={rows} rowKey={([reason]) => reason} empty={<Empty icon="check">{t.noneDropped}</Empty>} />
}

function Who({ reason, top, since, onClose }: { reason: string; top: Top; since: number; onClose: () => void }) {
  const t = useText(text)
  return (
    <Dialog title={t.whoTitle(reason)} wide onClose={onClose}>
      <p className="muted">
        {t.whoLead} <Time ms={since} exact />
      </p>
      {top.clients.length + top.topics.length === 0 && <Empty>{t.noTop}</Empty>}
      <Grid of="thirds">
        {top.clients.length > 0 && (
          <Table
            caption={t.client}
            rows={top.clients}
            rowKey={(r) => r.clientid}
            columns={[
              { id: 'client', head: t.client, cell: (r) => <Link to={`/clients/${encodeURIComponent(r.clientid)}`}>{r.clientid}</Link> },
              { id: 'n', head: t.count, kind: 'number', cell: (r) => count(r.count) },
            ]}
          />
        )}
        {top.topics.length > 0 && (
          <Table
            caption={t.topic}
            rows={top.topics}
            rowKey={(r) => r.topic}
            columns={[
              { id: 'topic', head: t.topic, cell: (r) => <Code>{r.topic}</Code> },
              { id: 'n', head: t.count, kind: 'number', cell: (r) => count(r.count) },
            ]}
          />
        )}
      </Grid>
    </Dialog>
  )
}

function Forget({ onClose }: { onClose: () => void }) {
  const t = useText(text)
  return (
    <Confirm title={t.forgetTop} submit={t.forgetTop} act={() => del('/accounting/top')} done={t.forgotten} stale={['/accounting']} onClose={onClose}>
      {t.forgetTopAsk}
    </Confirm>
  )
}
