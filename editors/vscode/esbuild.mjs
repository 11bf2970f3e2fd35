// Makes dist/extension.js, with all it needs in one file, and beside it the licences of what went into it.
import { build } from 'esbuild';
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';

const { metafile } = await build({
    entryPoints: ['src/extension.ts'],
    outfile: 'dist/extension.js',
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    external: ['vscode'],
    minify: true,
    metafile: true,
    logLevel: 'warning',
});

const packages = Object.keys(metafile.inputs).map(
    name => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(name)?.[0],
);
const texts = [...new Set(packages)]
    .filter(Boolean)
    .sort()
    .map(folder => {
        const file = readdirSync(folder).find(name => /^licen[cs]e/i.test(name));
        if (file === undefined) throw new Error(`${folder} comes without a licence`);
        return `${folder.replace('node_modules/', '')}\n\n${readFileSync(`${folder}/${file}`, 'utf8')}`;
    });
writeFileSync('dist/LICENSES.txt', texts.join(`\n${'-'.repeat(80)}\n`));
copyFileSync('../../LICENSE', 'LICENSE');
