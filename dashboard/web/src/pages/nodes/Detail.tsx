import { path } from '../../api/client'
import { parseSize } from '../../api/figures'
import { every, useGet } from '../../api/hooks'
import type { Node } from '../../api/types'
import { useParams } from '../../app/router'
import type { PageProps } from '../../app/routes'
import { Checkbox, Search } from '../../components/Field'
import { Card, Facts, Grid, Page } from '../../components/Page'
import { Code, Meter } from '../../components/Small'
import { Empty, Loaded } from '../../components/States'
import { Table } from '../../components/Table'
import { bytes, count, duration, parseUptime } from '../../i18n/format'
import { useText } from '../../i18n/i18n'
import { State } from '.'
import { pairs, selected } from './figures'
import { text } from './text'

/** One node: what it is, what there is of each thing, and everything it counts. */
export default function NodePage({ params: { node = '' } }: PageProps) {
  const t = useText(text)
  return (
    <Page title={node} back={['/nodes', t.title]}>
      <About node={node} />
      <Grid of="halves">
        <Stats node={node} />
        <Metrics node={node} />
      </Grid>
    </Page>
  )
}

function About({ node }: { node: string }) {
  const t = useText(text)
  const about = useGet<Node>(path`/nodes/${node}`, { refresh: every.list })
  const broker = useGet<{ datetime: string; sysdescr: string }>(path`/brokers/${node}`, { refresh: every.slow }).data?.data
  return (
    <Card>
      <Loaded query={about}>
        {({ data: n }) => {
          const [used, all] = [parseSize(n.memory_used), parseSize(n.memory_total)]
          return (
            <>
              <Facts
                items={[
                  [t.status, <State key="status" node={n} />],
                  [t.version, `${broker?.sysdescr ?? ''} ${n.version}`],
                  [t.uptime, duration(parseUptime(n.uptime))],
                  [t.connected, count(n.live_connections)],
                  [t.clients, count(n.connections)],
                  [t.load, `${n.load1} · ${n.load5} · ${n.load15}`],
                  [t.goroutines, count(n.process_used)],
                  [t.files, count(n.max_fds)],
                  [t.built, n.otp_release],
                  [t.clock, broker?.datetime],
                ]}
              />
              {used !== undefined && all !== undefined && (
                <Meter name={t.memory} share={used / all}>
                  {bytes(used)} / {bytes(all)}
                </Meter>
              )}
            </>
          )
        }}
      </Loaded>
    </Card>
  )
}

function Stats({ node }: { node: string }) {
  const t = useText(text)
  const stats = useGet<Record<string, number>>(path`/nodes/${node}/stats`, { refresh: every.list })
  return (
    <Card flush title={t.stats}>
      <Loaded query={stats}>
        {({ data }) => (
          <Table
            caption={t.stats}
            rows={pairs(data)}
            rowKey={(r) => r.name}
            columns={[
              { id: 'name', head: t.name, sort: (r) => r.name, cell: (r) => <Code>{r.name}</Code> },
              { id: 'now', head: t.now, kind: 'number', sort: (r) => r.now, cell: (r) => count(r.now) },
              { id: 'most', head: t.most, kind: 'number', sort: (r) => r.most ?? 0, cell: (r) => count(r.most) },
            ]}
          />
        )}
      </Loaded>
    </Card>
  )
}

function Metrics({ node }: { node: string }) {
  const t = useText(text)
  const [params, setParams] = useParams()
  const search = params.get('q') ?? ''
  const withZero = params.get('zero') === '1'
  const metrics = useGet<Record<string, number>>(path`/nodes/${node}/metrics`, { refresh: every.list })
  return (
    <Card flush title={t.metrics}>
      <div className="toolbar">
        <Search label={t.find} value={search} onChange={(q) => setParams({ q })} />
        <Checkbox label={t.hideZero} checked={!withZero} onChange={(on) => setParams({ zero: on ? undefined : '1' })} />
      </div>
      <Loaded query={metrics}>
        {({ data }) => (
          <Table
            caption={t.metrics}
            rows={selected(data, search, withZero)}
            rowKey={([name]) => name}
            empty={<Empty icon="search">{t.noMetric}</Empty>}
            columns={[
              { id: 'name', head: t.name, sort: ([name]) => name, cell: ([name]) => <Code>{name}</Code> },
              { id: 'value', head: t.value, kind: 'number', sort: ([, n]) => n, cell: ([, n]) => count(n) },
            ]}
          />
        )}
      </Loaded>
    </Card>
  )
}
