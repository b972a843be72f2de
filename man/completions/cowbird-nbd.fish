# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion of cowbird-nbd.  Options come from the tool's own help.

function __cowbird_nbd_options
    cowbird-nbd --help 2>/dev/null |
        string replace -rf '^ {1,8}(-\S.*?) {2,}(.*)$' '$1\t$2' |
        while read -l -d \t words text
            for word in (string match -ra -- '(?<![\w-])--?[\w-]+' $words)
                printf '%s\t%s\n' $word $text
            end
        end
end

complete -c cowbird-nbd -n 'string match -q -- "-*" (commandline -ct)' \
    -f -a '(__cowbird_nbd_options)'
