# An HTTP/1.1 client, as client.py: Perl's HTTP::Tiny.

use strict;
use warnings;
use HTTP::Tiny;

my ($library, $server) = @ARGV;
my $client = HTTP::Tiny->new(keep_alive => 1);
while (my $line = <STDIN>) {
    my ($method, $path, $traceparent, $file) = split ' ', $line;
    my %options = (headers => { traceparent => $traceparent });
    if ($file) {
        open my $handle, '<:raw', $file or die "$file: $!";
        local $/;
        $options{content} = <$handle>;
    }
    my $response = $client->request($method, "$server$path", \%options);
    # 599 is the library's own, for an error without a response.
    my $status = $response->{status};
    $status = "no response: $response->{content}" =~ s/\s+/ /gr if $status == 599;
    print "$status\n";
}
