// node tint.mjs PACKAGE [LIST]: compiles every WGSL file of LIST with Tint, the compiler of Chromium, and
// makes a pipeline of it on Mesa's software Vulkan. PACKAGE is the folder of npm's `webgpu`, which brings
// Dawn and Tint. Without LIST it only says which version that is.
//
// LIST has a line `SOURCE<TAB>NAME=VALUE…` for each shader: its file and the values of its overrides,
// separated by tabs. The answer to a line is `ok SOURCE`, followed by `warning SOURCE: …` for each warning,
// or `REFUSED SOURCE`, followed by what Tint or Dawn says, indented by a tab. Exit 0: all compiled; 1: some
// were refused; 2: nothing could be tried.
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, list] = process.argv.slice(2);
if (!folder) stop('usage: node tint.mjs PACKAGE [LIST]');

function stop(words) {
    console.log(words);
    process.exit(2);
}

/** Each line of a text with `mark` before it. */
const indented = (text) => text.trimEnd().split('\n').map((line) => `\t${line}`).join('\n');

// Where nobody chose a driver, it is the software's: what is asked is whether a shader compiles, on any machine alike.
const drivers = '/usr/share/vulkan/icd.d';
try {
    const software = readdirSync(drivers).find((name) => name.startsWith('lvp_icd'));
    if (software) process.env.VK_DRIVER_FILES ??= join(drivers, software);
} catch { /* Without that folder the loader looks elsewhere. */ }

const { create, globals } = await import(pathToFileURL(resolve(folder, 'index.js')));
if (!list) {
    const { version } = JSON.parse(readFileSync(resolve(folder, 'package.json')));
    console.log(`Tint of webgpu ${version}`);
    process.exit(0);
}

// Dawn's end must not come before its devices': what is global is never collected.
globalThis.gpu = create(['backend=vulkan']);
const adapter = await globalThis.gpu.requestAdapter();
if (!adapter) stop('no Vulkan driver answers');
if (!adapter.features.has('subgroups')) stop('the Vulkan driver has no subgroups');
const device = await adapter.requestDevice({ requiredFeatures: ['subgroups'] });

/** Makes a pipeline; what it is refused for, or an empty text, and its warnings. */
async function compile(source, constants) {
    let code;
    try {
        // naga takes no such directive, so that no file has it. On the first line it moves no other.
        code = `enable subgroups; ${readFileSync(source, 'utf8')}`;
    } catch {
        return { refused: 'cannot be read', warnings: [] };
    }
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ code });
    const { messages } = await module.getCompilationInfo();
    const pipeline = device.createComputePipelineAsync({ layout: 'auto', compute: { module, constants } });
    const refused = await pipeline.then(() => '', (error) => error.message);
    const error = await device.popErrorScope();
    const words = (type) => messages
        .filter((message) => message.type === type)
        .map(({ lineNum, linePos, message }) => `${source}:${lineNum}:${linePos}: ${message}`);
    const errors = words('error').join('\n');
    return { refused: errors || error?.message || refused, warnings: words('warning') };
}

let refusals = 0;
for (const line of readFileSync(list, 'utf8').split('\n').filter(Boolean)) {
    const [source, ...values] = line.split('\t');
    const constants = {};
    for (const value of values.filter(Boolean)) {
        const at = value.indexOf('=');
        constants[value.slice(0, at)] = Number(value.slice(at + 1));
    }
    const { refused, warnings } = await compile(source, constants);
    if (refused) {
        refusals += 1;
        console.log(`REFUSED ${source}\n${indented(refused)}`);
    } else {
        console.log(`ok ${source}`);
        for (const warning of warnings) console.log(`warning ${source}: ${warning}`);
    }
}
process.exit(refusals ? 1 : 0);
