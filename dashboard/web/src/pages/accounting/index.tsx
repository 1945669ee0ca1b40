import { useParams } from '../../app/router'
import { Page, Tabs } from '../../components/Page'
import { useText } from '../../i18n/i18n'
import { Ledger } from './Ledger'
import { Slow } from './Slow'
import { text } from './text'
import { TopicMetrics } from './TopicMetrics'

/** What became of every message. */
export default function Accounting() {
  const t = useText(text)
  const [params, setParams] = useParams()
  const tabs = [
    ['ledger', t.ledger],
    ['slow', t.slow],
    ['topics', t.topicMetrics],
  ] as const
  const tab = tabs.find(([id]) => id === params.get('tab'))?.[0] ?? 'ledger'
  return (
    <Page title={t.title} lead={t.lead}>
      <Tabs label={t.title} options={tabs} value={tab} onChange={(to) => setParams({ tab: to === 'ledger' ? undefined : to })} />
      {tab === 'ledger' && <Ledger />}
      {tab === 'slow' && <Slow />}
      {tab === 'topics' && <TopicMetrics />}
    </Page>
  )
}
