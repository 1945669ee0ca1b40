import { useState } from 'react'
import { del, path } from '../../api/client'
import { every, useGet } from '../../api/hooks'
import { navigate, useParams } from '../../app/router'
import type { PageProps } from '../../app/routes'
import { Button } from '../../components/Button'
import { Confirm } from '../../components/Dialog'
import { Card, Facts, Grid, Page, Tabs } from '../../components/Page'
import { Code, Meter, Tag, Time } from '../../components/Small'
import { Empty, Loaded } from '../../components/States'
import { bytes, count, duration, parseLocal } from '../../i18n/format'
import { useText } from '../../i18n/i18n'
import { address, forEver, known, protocol, type Client } from '../../api/clients'
import { Messages } from './Messages'
import { Rules } from './Rules'
import { Subscriptions } from './Subscriptions'
import { text } from './text'

type Tab = 'facts' | 'subscriptions' | 'inflight' | 'mqueue' | 'rules'

export default function ClientDetail({ params: { id = '' } }: PageProps) {
  const t = useText(text)
  const found = useGet<Client[]>(path`/clients/${id}`, { refresh: every.live })
  const [asking, ask] = useState(false)
  const here = (found.data?.data.length ?? 0) > 0
  return (
    <Page
      title={id}
      back={['/clients', t.all]}
      actions={
        here && (
          <Button look="danger" write onClick={() => ask(true)}>
            {t.kick}
          </Button>
        )
      }
    >
      <Loaded query={found}>{({ data: [client] }) => (client ? <Details client={client} /> : <Empty icon="clients">{t.gone}</Empty>)}</Loaded>
      {asking && (
        <Confirm
          title={t.kickTitle(id)}
          submit={t.kick}
          act={() => del(path`/clients/${id}`)}
          done={t.kicked}
          stale={['/clients']}
          onDone={() => navigate('/clients')}
          onClose={() => ask(false)}
        >
          {t.kickText}
        </Confirm>
      )}
    </Page>
  )
}

function Details({ client: c }: { client: Client }) {
  const t = useText(text)
  const [params, setParams] = useParams()
  const tabs: readonly (readonly [Tab, string])[] = [
    ['facts', t.connection],
    ['subscriptions', `${t.subscriptions} (${count(c.subscriptions_cnt)})`],
    ['inflight', `${t.inflight} (${count(c.inflight)})`],
    ['mqueue', `${t.mqueue} (${count(c.mqueue_len)})`],
    ['rules', t.rules],
  ]
  const tab = tabs.find(([name]) => name === params.get('tab'))?.[0] ?? 'facts'
  return (
    <>
      <Tabs label={c.clientid} value={tab} options={tabs} onChange={(to) => setParams({ tab: to === 'facts' ? undefined : to, page: undefined })} />
      {tab === 'facts' && <AtAGlance client={c} />}
      {tab === 'subscriptions' && <Subscriptions client={c.clientid} />}
      {(tab === 'inflight' || tab === 'mqueue') && <Messages client={c.clientid} of={tab} />}
      {tab === 'rules' && <Rules client={c} />}
    </>
  )
}

function AtAGlance({ client: c }: { client: Client }) {
  const t = useText(text)
  return (
    <Grid of="halves">
      <Card title={t.connection} actions={<Tag mood={c.connected ? 'good' : 'plain'}>{c.connected ? t.connected : t.away}</Tag>}>
        <Facts
          items={[
            [t.clientid, <Code copy>{c.clientid}</Code>],
            [t.username, known(c.username)],
            [t.from, <Code copy>{address(c.ip_address, c.port)}</Code>],
            [t.protocol, protocol(c)],
            [t.node, c.node],
            [t.zone, known(c.zone)],
            [t.mountpoint, known(c.mountpoint)],
            [t.keepalive, c.keepalive ? duration(c.keepalive) : t.off],
            [t.connectedAt, <Time ms={parseLocal(c.connected_at)} />],
            !c.connected && [t.disconnectedAt, <Time ms={parseLocal(c.disconnected_at)} />],
            c.is_bridge && [t.bridge, t.yes],
          ]}
        />
      </Card>
      <Card title={t.session}>
        <Facts
          items={[
            [t.createdAt, <Time ms={parseLocal(c.created_at)} />],
            [t.cleanStart, c.clean_start ? t.yes : t.no],
            [t.expiry, c.expiry_interval === 0 ? t.atOnce : c.expiry_interval >= forEver ? t.never : duration(c.expiry_interval)],
            [t.dropped, count(c.mqueue_dropped)],
          ]}
        />
        <Fill name={t.inflight} n={c.inflight} most={c.max_inflight} />
        <Fill name={t.mqueue} n={c.mqueue_len} most={c.max_mqueue} />
        <Fill name={t.awaiting} n={c.awaiting_rel} most={c.max_awaiting_rel} />
        <Fill name={t.subscriptions} n={c.subscriptions_cnt} most={c.max_subscriptions} />
      </Card>
      <Card title={t.traffic}>
        <Facts
          items={[
            [t.received, `${bytes(c.recv_oct)} · ${t.packets(count(c.recv_pkt))} · ${t.messages(count(c.recv_msg))}`],
            [t.sent, `${bytes(c.send_oct)} · ${t.packets(count(c.send_pkt))} · ${t.messages(count(c.send_msg))}`],
          ]}
        />
      </Card>
    </Grid>
  )
}

/** How full a queue is; most is 0 where there is no bound. */
function Fill({ name, n, most }: { name: string; n: number; most: number }) {
  return (
    <Meter name={name} share={most > 0 ? n / most : 0}>
      {count(n)} / {most > 0 ? count(most) : '∞'}
    </Meter>
  )
}
