# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion of the tools without commands, installed under each one's
# name.  Options come from the tool's own help.

function __cowbird_tool_options
    set -l tool (commandline -opc)[1]
    $tool --help 2>/dev/null |
        string replace -rf '^ {1,8}(-\S.*?) {2,}(.*)$' '$1\t$2' |
        while read -l -d \t words text
            for word in (string match -ra -- '(?<![\w-])--?[\w-]+' $words)
                printf '%s\t%s\n' $word $text
            end
        end
end

complete -c (string replace -r '^.*/(.*)\.fish$' '$1' (status filename)) \
    -n 'string match -q -- "-*" (commandline -ct)' \
    -f -a '(__cowbird_tool_options)'
