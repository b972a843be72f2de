# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion of cowbird-img.  Commands and options come from the tool's
# own help.

function __cowbird_img_commands
    cowbird-img --help 2>/dev/null |
        string replace -rf '^  ([a-z]+)\s+(.*)$' '$1\t$2'
end

function __cowbird_img_command
    for word in (commandline -opc)[2..-1]
        if not string match -q -- '-*' $word
            echo $word
            return 0
        end
    end
    return 1
end

function __cowbird_img_options
    set -l command (__cowbird_img_command); or return
    cowbird-img $command --help 2>/dev/null |
        string replace -rf '^ {1,8}(-\S.*?) {2,}(.*)$' '$1\t$2' |
        while read -l -d \t words text
            for word in (string match -ra -- '(?<![\w-])--?[\w-]+' $words)
                printf '%s\t%s\n' $word $text
            end
        end
end

complete -c cowbird-img -n 'not __cowbird_img_command' -f \
    -a '(__cowbird_img_commands)'
complete -c cowbird-img -n '__cowbird_img_command; and string match -q -- "-*" (commandline -ct)' \
    -f -a '(__cowbird_img_options)'
