import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  plugins: [react()],
  test: { environment: 'happy-dom', include: ['src/**/*.test.ts'] },
  // `npm run dev` shows the app over a broker that runs already.
  server: { proxy: { '/api': 'http://127.0.0.1:18083' } },
  build: {
    outDir: '../dist',
    emptyOutDir: true,
    // light-dark() and nested CSS: nothing is rewritten for browsers that are older.
    target: ['chrome123', 'firefox121', 'safari17.5'],
    assetsInlineLimit: 0, // the Content-Security-Policy wants files
    modulePreload: { polyfill: false },
    license: { fileName: 'licenses.md' },
    rolldownOptions: {
      output: {
        codeSplitting: {
          // Libraries by themselves: their files stay the same when a page changes.
          groups: [
            { name: 'react', test: /node_modules\/(react|react-dom|scheduler|@tanstack)\// },
            { name: 'mqtt', test: /node_modules\/mqtt\// },
            { name: 'uplot', test: /node_modules\/uplot\/.*\.js$/ },
          ],
        },
      },
    },
  },
})
