import { Page } from '../../components/Page'
import { useText } from '../../i18n/i18n'
import { Charts } from './Charts'
import { Nodes } from './Nodes'
import { text } from './text'
import { Tiles } from './Tiles'
import { Trouble } from './Trouble'

/** What the broker does now, has done in the last hour, and what is wrong with it. */
export default function Overview() {
  const t = useText(text)
  return (
    <Page title={t.title}>
      <Trouble />
      <Tiles />
      <Charts />
      <Nodes />
    </Page>
  )
}
