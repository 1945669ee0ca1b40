import { parseSize } from '../../api/figures'
import { every, useGet } from '../../api/hooks'
import type { Member } from '../../api/types'
import { Card, Facts, Grid } from '../../components/Page'
import { Meter, Tag } from '../../components/Small'
import { Loaded } from '../../components/States'
import { bytes, count, duration, parseUptime } from '../../i18n/format'
import { useText } from '../../i18n/i18n'
import { text } from './text'

export function Nodes() {
  const nodes = useGet<Member[]>('/nodes', { refresh: every.list })
  return (
    <Loaded query={nodes}>
      {({ data }) => (
        <Grid of="thirds">
          {data.map((n) => (
            <NodeCard key={n.node} node={n} />
          ))}
        </Grid>
      )}
    </Loaded>
  )
}

function NodeCard({ node: n }: { node: Member }) {
  const t = useText(text)
  if (n.node_status === 'Stopped') return <Card title={n.node} actions={<Tag mood="bad">{t.stopped}</Tag>}>{null}</Card>
  const [used, all] = [parseSize(n.memory_used), parseSize(n.memory_total)]
  return (
    <Card title={n.node} actions={<Tag mood="good">{t.running}</Tag>}>
      <p className="muted">
        Dunlin {n.version} · {t.upSince(duration(parseUptime(n.uptime)))}
      </p>
      <Facts
        items={[
          [t.clientsHere, count(n.live_connections)],
          [t.load, `${n.load1} · ${n.load5} · ${n.load15}`],
        ]}
      />
      {used !== undefined && all !== undefined && (
        <Meter name={t.memory} share={used / all}>
          {bytes(used)} / {bytes(all)}
        </Meter>
      )}
    </Card>
  )
}
