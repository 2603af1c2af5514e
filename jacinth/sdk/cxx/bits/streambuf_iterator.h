// There are no streams to iterate over. What libstdc++'s has beside them is what its <ranges> counts on.
#include <string_view>
