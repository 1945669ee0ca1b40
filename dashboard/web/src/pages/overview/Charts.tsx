import { useMemo } from 'react'
import type { History } from '../../api/types'
import { Chart } from '../../components/Chart'
import { Card, Grid } from '../../components/Page'
import { Loaded } from '../../components/States'
import { bytes, milliseconds, percent, short } from '../../i18n/format'
import { useText } from '../../i18n/i18n'
import { timesOf, useHistory } from './history'
import { text } from './text'

export function Charts({ node }: { node: string }) {
  return <Loaded query={useHistory(node)}>{({ data }) => <All history={data} />}</Loaded>
}

function All({ history }: { history: History }) {
  const t = useText(text)
  const times = useMemo(() => timesOf(history), [history])
  const s = history.series
  return (
    <Grid of="halves">
      <Card title={t.messages} className="span">
        <Chart
          name={t.messages}
          times={times}
          format={short}
          series={[
            { name: t.received, color: 1, values: s.received_rate, area: true },
            { name: t.sent, color: 2, values: s.sent_rate },
            { name: t.dropped, color: 3, values: s.dropped_rate },
          ]}
        />
      </Card>
      <Card title={t.connectionsOverTime}>
        <Chart
          name={t.connectionsOverTime}
          times={times}
          format={short}
          series={[
            { name: t.connections, color: 1, values: s.connections, area: true },
            { name: t.sessions, color: 4, values: s.sessions },
          ]}
        />
      </Card>
      <Card title={t.latency}>
        <Chart
          name={t.latency}
          times={times}
          format={milliseconds}
          series={[
            { name: t.median, color: 1, values: s.latency_p50_ms },
            { name: t.p99, color: 2, values: s.latency_p99_ms },
          ]}
        />
      </Card>
      <Card title={t.cpu}>
          <Chart name={t.cpu} times={times} format={percent} series={[{ name: t.resources, color: 1, values: s.cpu_percent, area: true }]} />
      </Card>
      <Card title={t.memoryOfProcess}>
          <Chart name={t.memoryOfProcess} times={times} format={bytes} binary series={[{ name: t.memory, color: 4, values: s.memory_bytes, area: true }]} />
      </Card>
    </Grid>
  )
}
